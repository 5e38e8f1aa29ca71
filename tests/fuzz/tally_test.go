package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTallyListsOperationsThatNeverSucceeded(t *testing.T) {
	t.Parallel()
	done := tally{}
	require.NoError(t, done.add([]byte(`{"a":{"404":2},"b":{"200":1,"422":3},"c":{"401":1},
		"ambiguous bodies":{"400":2,"422":3}}`)))
	require.NoError(t, done.add([]byte(`{"a":{"204":1},"c":{"401":1}}`)))
	require.Equal(t, 5, done.takeAmbiguous())
	require.Equal(t, []string{"c"}, done.onlyRefused())
	require.Equal(t, 2, done["c"]["401"])
	require.Error(t, done.add([]byte(`{`)))
}
