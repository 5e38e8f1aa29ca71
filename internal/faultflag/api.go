package faultflag

import (
	"context"
	"maps"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

// prefix begins the addresses of the flags.
const prefix = "/api/v1/faults/"

// Middleware answers requests with 500 as often as FailingRequests says, but for those of the flags themselves.
func (f *Flags) Middleware(next http.Handler) http.Handler {
	if f == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, prefix) && rand.Int64N(100) < f.value(r.Context(), FailingRequests) {
			httpx.WriteProblem(w, fault.New(fault.Internal, "internal", "Something went wrong on our side."))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// AppRef names the app whose faults a request is about. Each app serves its own.
type AppRef struct {
	App string `path:"app" minLength:"1" maxLength:"64" doc:"The app that has the fault, such as orders"`
}

// FlagRef names a flag.
type FlagRef struct {
	AppRef
	Flag string `path:"flag" minLength:"1" maxLength:"64" doc:"The name of the flag, such as slow-store"`
}

// flagView is a flag in the format of flagd, OpenFeature's own service.
type flagView struct {
	State          string           `json:"state" enum:"ENABLED"`
	Variants       map[string]int64 `json:"variants" doc:"The value of each variant"`
	DefaultVariant string           `json:"defaultVariant" doc:"The variant that the flag has now"`
	Metadata       flagMetadata     `json:"metadata"`
}

type flagMetadata struct {
	Description string     `json:"description"`
	Unit        string     `json:"unit" doc:"The unit of the values"`
	Until       *time.Time `json:"until,omitempty" doc:"When the fault ends by itself"`
}

type flagsOutput struct {
	Cache string `header:"Cache-Control"`
	Body  struct {
		Flags map[string]flagView `json:"flags" doc:"By the names of the flags, in the format of flagd"`
	}
}

type switchInput struct {
	FlagRef
	Body struct {
		Variant string `json:"variant" minLength:"1" maxLength:"64" doc:"The variant to switch to; off ends the fault"`
		Minutes int    `json:"minutes,omitempty" minimum:"1" maximum:"60" default:"10" doc:"When the fault ends by itself"`
	}
}

// Mount adds the operations for the flags of an app, which only administrators may call. If f is nil, they answer 404.
func Mount(api huma.API, app string, f *Flags) {
	op := func(id, method, path, summary string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: method, Path: prefix + "{app}" + path, Summary: summary,
			Description: "Only in a shop that runs with FAULT_FLAGS=on; otherwise there are no flags (404).",
			Tags:        []string{"Operations"}, Errors: []int{403}, Security: httpx.BearerOf(identity.Admin),
		}
	}
	h := handlers{app, f}
	httpx.Register(api, op("list-fault-flags", http.MethodGet, "", "The faults that can be switched on"), h.list)
	httpx.Register(api, op("switch-fault-flag", http.MethodPut, "/{flag}", "Switch a fault on or off"), h.set)
}

type handlers struct {
	app   string
	flags *Flags
}

// check returns a not-found problem if the app has no flags, or if a request is about those of another app.
func (h handlers) check(ref AppRef) error {
	switch {
	case ref.App != h.app:
		return fault.Missing("app with fault flags")
	case h.flags == nil:
		return fault.New(fault.NotFound, "not-found", "The fault flags are off. FAULT_FLAGS=on turns them on.")
	}
	return nil
}

func (h handlers) list(_ context.Context, in *AppRef) (*flagsOutput, error) {
	if err := h.check(*in); err != nil {
		return nil, err
	}
	return h.view(), nil
}

func (h handlers) set(ctx context.Context, in *switchInput) (*flagsOutput, error) {
	if err := h.check(in.AppRef); err != nil {
		return nil, err
	}
	period := time.Duration(in.Body.Minutes) * time.Minute
	if err := h.flags.Set(ctx, in.Flag, in.Body.Variant, period); err != nil {
		return nil, err
	}
	return h.view(), nil
}

func (h handlers) view() *flagsOutput {
	out := &flagsOutput{Cache: "private, no-store"}
	out.Body.Flags = map[string]flagView{}
	flags, settings := h.flags.list()
	for _, flag := range flags {
		set := settings[flag.Name]
		view := flagView{
			State: "ENABLED", Variants: map[string]int64{off: 0}, DefaultVariant: variantOf(set),
			Metadata: flagMetadata{Description: flag.Description, Unit: flag.Unit},
		}
		maps.Copy(view.Variants, flag.Variants)
		if !set.Until.IsZero() {
			view.Metadata.Until = &set.Until
		}
		out.Body.Flags[flag.Name] = view
	}
	return out
}
