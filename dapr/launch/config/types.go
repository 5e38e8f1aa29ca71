package config

import (
	"fmt"
	"slices"
	"strings"
)

// nearby is how many types an error proposes for one that does not exist.
const nearby = 3

// CheckTypes returns an error for a component whose type a sidecar with these types does not have.
func (o Options) CheckTypes(known []string) error {
	for _, choice := range o.Choices() {
		list, err := components(o.Folder(choice.Kind, choice.Value))
		if err != nil {
			return err
		}
		for _, c := range list {
			wanted := strings.ToLower(c.Spec.Type)
			if slices.Contains(known, wanted) {
				continue
			}
			return fmt.Errorf("%s=%s: the component %s has the type %q, which the sidecar does not have: nearest are %s",
				choice.Variable, choice.Value, c.Metadata.Name, c.Spec.Type, strings.Join(nearest(wanted, known), ", "))
		}
	}
	return nil
}

// nearest returns the types of the same kind that are most like the wanted one.
func nearest(wanted string, known []string) []string {
	kind, _, _ := strings.Cut(wanted, ".")
	list := slices.DeleteFunc(slices.Clone(known), func(name string) bool { return !strings.HasPrefix(name, kind+".") })
	if len(list) == 0 {
		list = slices.Clone(known)
	}
	slices.SortStableFunc(list, func(a, b string) int { return distance(wanted, a) - distance(wanted, b) })
	return list[:min(len(list), nearby)]
}

// distance is the least number of bytes to insert, remove or replace that makes b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
