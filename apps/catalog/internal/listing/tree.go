package listing

import (
	"cmp"
	"slices"
	"strings"
)

// Branch is a category with those below it. Products counts the active ones in it or below it, each once.
type Branch struct {
	Node
	Products int
	Children []Branch
}

// Tree gives the categories from the top, each level by name.
func (x *Index) Tree() []Branch {
	x.mu.Lock()
	defer x.mu.Unlock()
	up, counts := x.ancestors(), map[string]int{}
	for _, e := range x.entries {
		if !e.active() {
			continue
		}
		within := map[string]bool{}
		for _, c := range e.Categories {
			for _, handle := range up[c] {
				within[handle] = true
			}
		}
		for handle := range within {
			counts[handle]++
		}
	}
	children := map[string][]Node{}
	for handle, n := range x.categories {
		parent := ""
		if line := up[handle]; len(line) > 1 {
			parent = line[1]
		}
		children[parent] = append(children[parent], n)
	}
	var grow func(parent string) []Branch
	grow = func(parent string) []Branch {
		branches := []Branch{}
		for _, n := range children[parent] {
			branches = append(branches, Branch{n, counts[n.Handle], grow(n.Handle)})
		}
		slices.SortFunc(branches, func(a, b Branch) int {
			return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Handle, b.Handle))
		})
		return branches
	}
	return grow("")
}

// Category finds a category.
func (x *Index) Category(handle string) (Node, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n, ok := x.categories[handle]
	return n, ok
}

// Uses counts what a category has below it: categories, and products of any status that name it.
func (x *Index) Uses(handle string) (categories, products int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, n := range x.categories {
		if n.Parent == handle {
			categories++
		}
	}
	for _, e := range x.entries {
		if slices.Contains(e.Categories, handle) {
			products++
		}
	}
	return categories, products
}

// Known keeps the handles that are categories.
func (x *Index) Known(handles []string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	known := []string{}
	for _, h := range handles {
		if _, ok := x.categories[h]; ok {
			known = append(known, h)
		}
	}
	return known
}

// ancestors maps each category to itself and those above it, nearest first; x.mu is held for
// writing. A parent that was deleted ends the line.
func (x *Index) ancestors() map[string][]string {
	if x.lines != nil {
		return x.lines
	}
	up := make(map[string][]string, len(x.categories))
	for handle := range x.categories {
		line := []string{handle}
		for n := x.categories[handle]; n.Parent != "" && len(line) < 32; {
			next, ok := x.categories[n.Parent]
			if !ok || slices.Contains(line, next.Handle) {
				break
			}
			line = append(line, next.Handle)
			n = next
		}
		up[handle] = line
	}
	x.lines = up
	return up
}
