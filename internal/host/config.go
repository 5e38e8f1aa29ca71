package host

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is what every service reads from its environment. APP_PORT and the ports of Dapr are set by `dapr run` and by
// Dapr's injector.
type Config struct {
	Port         int           `env:"APP_PORT,required"`
	Interface    string        `env:"LISTEN_INTERFACE" envDefault:"127.0.0.1"`
	DaprHTTPPort int           `env:"DAPR_HTTP_PORT" envDefault:"3500"`
	DaprGRPCPort int           `env:"DAPR_GRPC_PORT" envDefault:"50001"`
	AppAPIToken  string        `env:"APP_API_TOKEN" secret:"true"`
	DaprAPIToken string        `env:"DAPR_API_TOKEN" secret:"true"`
	LogLevel     string        `env:"LOG_LEVEL" envDefault:"info"`
	SecretBundle string        `env:"SECRET_BUNDLE"`              // see daprd.Options
	MoveIn       Switch        `env:"MOVE_IN" envDefault:"off"`   // on: the service imports data and does nothing else
	Rebuild      Switch        `env:"REBUILD" envDefault:"off"`   // on: all documents are written again from the logs first
	LeaveTime    time.Duration `env:"LEAVE_TIME" envDefault:"0s"` // see httpserver.Options
}

// Switch is a setting that is on or off.
type Switch bool

// UnmarshalText accepts on and off.
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

// String is on or off.
func (s Switch) String() string {
	if s {
		return "on"
	}
	return "off"
}

// MarshalText is String.
func (s Switch) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Configure reads the settings of a service, a struct with env tags, from its environment. It checks them, if the struct
// has a method Check, and logs them by the names of their variables; of a field with the tag secret:"true" it logs only
// whether it is set.
func Configure[T any](h *Host) (T, error) {
	config, err := parse[T]()
	if err == nil {
		h.Log.Info().Interface("config", describe(config)).Msg("configured")
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

// nameVariables makes errors name the variable where env names only the field of T.
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

func variable(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
	return name
}

// describe lists a configuration by the names of its variables.
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
			described[name] = value.Interface()
		case value.IsZero():
			described[name] = "not set"
		default:
			described[name] = "set"
		}
	}
	return described
}
