package service

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLocationsMustHaveDifferentNames(t *testing.T) {
	t.Parallel()
	require.NoError(t, Config{Locations: []string{"north", "south"}}.Check())
	err := Config{Locations: []string{"north", "south", "north"}}.Check()
	require.EqualError(t, err, "STOCK_LOCATIONS=north,south,north: expected different names")
	require.Error(t, Config{Locations: []string{"north", ""}}.Check())
}
