package faultflag

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"
	"github.com/open-feature/go-sdk/openfeature/memprovider"

	"haberdash/internal/fault"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// Flags are the flags of one app. A nil *Flags has none. It is safe for concurrent use.
type Flags struct {
	store    sidecar.State
	now      func() time.Time
	provider *memprovider.InMemoryProvider
	client   *openfeature.Client

	mu       sync.Mutex
	flags    []Flag
	settings map[string]setting
	ballast  []byte // see MemoryBallast
}

// setting is a flag that is switched on, as it is stored.
type setting struct {
	Variant string    `json:"variant"`
	Until   time.Time `json:"until"`
}

// key is the key of the stored settings, a map of setting by the names of the flags.
const key = "fault-flags"

// New makes the flags of an app. Settings are stored in store, which must not have faults itself.
func New(ctx context.Context, store sidecar.State, now func() time.Time) (*Flags, error) {
	f := &Flags{store: store, now: now, provider: memprovider.NewInMemoryProvider(nil)}
	api := isolated.NewAPI() // tests run several apps in one process
	if err := api.SetProviderAndWait(ctx, f.provider); err != nil {
		return nil, fmt.Errorf("fault flags: %w", err)
	}
	f.client = api.NewClient()
	return f, nil
}

// Offer adds flags that the app has, unless it has them already.
func (f *Flags) Offer(flags ...Flag) {
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, flag := range flags {
		if !slices.ContainsFunc(f.flags, func(has Flag) bool { return has.Name == flag.Name }) {
			f.flags = append(f.flags, flag)
		}
	}
	f.update()
}

// value returns the value of a flag: 0 if it is off.
func (f *Flags) value(ctx context.Context, flag Flag) int64 {
	value, _ := f.client.IntValue(ctx, flag.Name, 0, openfeature.EvaluationContext{}) // 0 if the app lacks the flag
	return value
}

// SlowDown waits for the milliseconds of a flag, or until ctx ends. Its error is that of ctx.
func (f *Flags) SlowDown(ctx context.Context, flag Flag) error {
	timer := time.NewTimer(time.Duration(f.value(ctx, flag)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run reads the settings until ctx ends.
func (f *Flags) Run(ctx context.Context) error {
	tick := time.NewTicker(RefreshEvery)
	defer tick.Stop()
	for {
		if err := f.refresh(ctx); err != nil && ctx.Err() == nil {
			telemetry.Log(ctx).Warn().Err(err).Msg("cannot read the fault flags, will try again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// refresh reads the settings, and switches flags on and off accordingly.
func (f *Flags) refresh(ctx context.Context) error {
	var stored map[string]setting
	if _, err := sidecar.ReadJSON(ctx, f.store, key, &stored); err != nil {
		return err
	}
	f.adopt(ctx, stored)
	return nil
}

func (f *Flags) adopt(ctx context.Context, stored map[string]setting) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	maps.DeleteFunc(stored, func(_ string, s setting) bool { return !s.Until.After(now) })
	if maps.Equal(stored, f.settings) {
		return
	}
	for _, flag := range f.flags {
		before, after := f.settings[flag.Name], stored[flag.Name]
		if before != after {
			telemetry.Log(ctx).Warn().Str(field.Fault, flag.Name).Str(field.Variant, variantOf(after)).
				Msg("a fault flag has another variant")
		}
	}
	f.settings = stored
	f.update()
	f.keepBallast()
}

func variantOf(s setting) string {
	if s.Variant == "" {
		return off
	}
	return s.Variant
}

// update gives the provider the flags with their variants. The caller has locked f.mu.
func (f *Flags) update() {
	flags := map[string]memprovider.InMemoryFlag{}
	for _, flag := range f.flags {
		variants := map[string]any{off: int64(0)}
		for name, value := range flag.Variants {
			variants[name] = value
		}
		flags[flag.Name] = memprovider.InMemoryFlag{
			State: memprovider.Enabled, Variants: variants, DefaultVariant: variantOf(f.settings[flag.Name]),
		}
	}
	f.provider.UpdateFlags(flags)
}

// Set switches a flag to a variant, "off" among them, for a time. Errors: not-found (404) for an unknown flag,
// invalid-request (422) for an unknown variant.
func (f *Flags) Set(ctx context.Context, name, variant string, period time.Duration) error {
	flag, err := f.offered(name)
	if err != nil {
		return err
	}
	if _, known := flag.Variants[variant]; !known && variant != off {
		return fault.BadField("variant", "expected one of "+strings.Join(flag.variants(), ", "))
	}
	until := f.now().Add(period).UTC()
	stored, err := sidecar.Update(ctx, f.store, key, func(doc *map[string]setting, _ bool) (bool, error) {
		if *doc == nil {
			*doc = map[string]setting{}
		}
		delete(*doc, name)
		if variant != off {
			(*doc)[name] = setting{Variant: variant, Until: until}
		}
		return true, nil
	}, sidecar.TTL(longestTime))
	if err == nil {
		f.adopt(ctx, stored)
	}
	return err
}

func (f *Flags) offered(name string) (Flag, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.flags, func(flag Flag) bool { return flag.Name == name })
	if i < 0 {
		return Flag{}, fault.Missing("fault flag")
	}
	return f.flags[i], nil
}

// variants lists the names of the variants, "off" first.
func (flag Flag) variants() []string {
	return append([]string{off}, slices.Sorted(maps.Keys(flag.Variants))...)
}

// list returns the flags with their settings.
func (f *Flags) list() ([]Flag, map[string]setting) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.flags), maps.Clone(f.settings)
}
