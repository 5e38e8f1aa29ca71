package main

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/dapr/dapr/pkg/components/bindings"
	"github.com/dapr/dapr/pkg/components/pubsub"
	"github.com/dapr/dapr/pkg/components/secretstores"
	"github.com/dapr/dapr/pkg/components/state"
)

// typesFlag makes the sidecar print the types of components that it has, one a line, and end.
const typesFlag = "--component-types"

func printTypes() {
	fmt.Println(strings.Join(types(), "\n"))
	os.Exit(0)
}

// types reads them from Dapr's registries, which have no method for it.
func types() (list []string) {
	for _, registry := range []any{
		state.DefaultRegistry, pubsub.DefaultRegistry, bindings.DefaultRegistry, secretstores.DefaultRegistry,
	} {
		fields := reflect.ValueOf(registry).Elem()
		for i := range fields.NumField() {
			if fields.Field(i).Kind() != reflect.Map {
				continue
			}
			for _, key := range fields.Field(i).MapKeys() {
				name, _, _ := strings.Cut(key.String(), "/") // state.redis/v1
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
