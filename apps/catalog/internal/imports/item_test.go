package imports

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestACategoryWithoutANameIsNamedByItsHandle(t *testing.T) {
	t.Parallel()
	for handle, name := range map[string]string{"felt-hats": "Felt hats", "été": "Été", "-": "-"} {
		assert.Equal(t, name, categoryName(handle))
	}
}
