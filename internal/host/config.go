package host

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"haberdash/internal/telemetry/field"
)

// Config is the configuration that all services have in common. Each service reads it from its environment. `dapr run`
// and Dapr's injector for Kubernetes set APP_PORT and the ports of the sidecar.
type Config struct {
	Port         int           `env:"APP_PORT,required"`
	Interface    string        `env:"LISTEN_INTERFACE" envDefault:"127.0.0.1"`
	Operations   int           `env:"OPERATIONS_PORT"` // see httpserver.Options; only for a public service
	DaprHTTPPort int           `env:"DAPR_HTTP_PORT" envDefault:"3500"`
	DaprGRPCPort int           `env:"DAPR_GRPC_PORT" envDefault:"50001"`
	AppAPIToken  string        `env:"APP_API_TOKEN" secret:"true"`
	DaprAPIToken string        `env:"DAPR_API_TOKEN" secret:"true"`
	LogLevel     string        `env:"LOG_LEVEL" envDefault:"info"`
	SecretBundle string        `env:"SECRET_BUNDLE"`                // see daprd.Options
	ImportOnly   Switch        `env:"MOVE_IN" envDefault:"off"`     // on: the service imports data and does nothing else
	Rebuild      Switch        `env:"REBUILD" envDefault:"off"`     // on: the service first rebuilds its documents
	LeaveTime    time.Duration `env:"LEAVE_TIME" envDefault:"0s"`   // see httpserver.Options
	FaultFlags   Switch        `env:"FAULT_FLAGS" envDefault:"off"` // on: administrators can switch faults on
}

// Switch is a setting that is on or off.
type Switch bool

// UnmarshalText accepts the texts on and off.
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on":
		*s = true
	case "off":
		*s = false
	default:
		return fmt.Errorf("%q is neither on nor off", text)
	}
	return nil
}

// String returns on or off.
func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}

// MarshalText returns on or off.
func (s Switch) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Configure reads the configuration of a service, a struct with env tags, from its environment. If the struct has a
// method Check() error, Configure calls it and returns its error. It logs the values by the names of their variables,
// but for a field with the tag secret:"true" only whether the variable is set.
func Configure[T any](h *Host) (T, error) {
	config, err := parse[T]()
	if err == nil {
		h.Log.Info().Interface(field.Config, describe(config)).Msg("configured")
	}
	return config, err
}

func parse[T any]() (T, error) {
	config, err := env.ParseAs[T]()
	if err != nil {
		return config, fmt.Errorf("configuration: %w", nameVariables[T](err))
	}
	if c, ok := any(config).(interface{ Check() error }); ok {
		if err := c.Check(); err != nil {
			return config, fmt.Errorf("configuration: %w", err)
		}
	}
	return config, nil
}

// nameVariables replaces the names of fields of T, which the errors of env contain, by the names of their variables.
func nameVariables[T any](err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return err
	}
	var named []error
	for _, err := range all.Errors {
		var wrong env.ParseError
		if errors.As(err, &wrong) {
			if field, ok := reflect.TypeFor[T]().FieldByName(wrong.Name); ok {
				err = fmt.Errorf("%s: %w", variable(field), wrong.Err)
			}
		}
		named = append(named, err)
	}
	return errors.Join(named...)
}

// variable returns the name of the environment variable of a field.
func variable(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
	return name
}

// describe returns the values of a configuration by the names of their variables, without secrets.
func describe(config any) map[string]any {
	described := map[string]any{}
	v := reflect.ValueOf(config)
	for _, field := range reflect.VisibleFields(v.Type()) {
		name := variable(field)
		if name == "" {
			continue
		}
		value := v.FieldByIndex(field.Index)
		switch {
		case field.Tag.Get("secret") != "true":
			described[name] = readable(value.Interface())
		case value.IsZero():
			described[name] = "not set"
		default:
			described[name] = "set"
		}
	}
	return described
}

// readable writes durations as 15m0s and switches as on, instead of numbers.
func readable(value any) any {
	if s, ok := value.(fmt.Stringer); ok {
		return s.String()
	}
	return value
}
