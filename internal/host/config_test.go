package host

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type settings struct {
	Level int           `env:"TEST_LEVEL" envDefault:"3"`
	Debug Switch        `env:"TEST_DEBUG" envDefault:"off"`
	Key   string        `env:"TEST_KEY" secret:"true"`
	Wait  time.Duration `env:"TEST_WAIT"`
}

func (s settings) Check() error {
	if s.Level > 9 {
		return fmt.Errorf("TEST_LEVEL=%d: expected at most 9", s.Level)
	}
	return nil
}

func TestConfigurationIsParsedAndChecked(t *testing.T) {
	t.Setenv("TEST_DEBUG", "on")
	config, err := parse[settings]()
	require.NoError(t, err)
	require.Equal(t, settings{Level: 3, Debug: true}, config)

	t.Setenv("TEST_LEVEL", "10")
	_, err = parse[settings]()
	require.EqualError(t, err, "configuration: TEST_LEVEL=10: expected at most 9")

	t.Setenv("TEST_DEBUG", "yes")
	_, err = parse[settings]()
	require.EqualError(t, err, `configuration: TEST_DEBUG: "yes" is neither on nor off`)
}

func TestLoggedConfigurationHidesSecrets(t *testing.T) {
	t.Parallel()
	require.Equal(t, map[string]any{"TEST_LEVEL": 3, "TEST_DEBUG": "on", "TEST_KEY": "set", "TEST_WAIT": "1m0s"},
		describe(settings{Level: 3, Debug: true, Key: "k", Wait: time.Minute}))
	require.Equal(t, "not set", describe(settings{})["TEST_KEY"])
}
