package listing

import (
	"cmp"
	"slices"
	"strings"
)

// Branch is a category with the categories below it. Products counts the active products in it or below it, each once.
type Branch struct {
	Node
	Products int
	Children []Branch
}

// Tree lists the categories from the top, each level by name.
func (x *Index) Tree() []Branch {
	x.mu.Lock()
	defer x.mu.Unlock()
	ancestors, counts := x.ancestorsOf(), map[string]int{}
	for _, e := range x.entries {
		if !e.active() {
			continue
		}
		within := map[string]bool{}
		for _, c := range e.Categories {
			for _, handle := range ancestors[c] {
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
		if line := ancestors[handle]; len(line) > 1 {
			parent = line[1]
		}
		children[parent] = append(children[parent], n)
	}
	return branches("", children, counts)
}

func branches(parent string, children map[string][]Node, counts map[string]int) []Branch {
	list := []Branch{}
	for _, n := range children[parent] {
		list = append(list, Branch{n, counts[n.Handle], branches(n.Handle, children, counts)})
	}
	slices.SortFunc(list, func(a, b Branch) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.Handle, b.Handle))
	})
	return list
}

// Category finds a category.
func (x *Index) Category(handle string) (Node, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n, ok := x.categories[handle]
	return n, ok
}

// Uses counts the categories directly below a category, and the products of any status that name it.
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

// ExistingCategories returns the handles of categories that exist.
func (x *Index) ExistingCategories(handles []string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	existing := []string{}
	for _, h := range handles {
		if _, ok := x.categories[h]; ok {
			existing = append(existing, h)
		}
	}
	return existing
}

// maxAncestors bounds a walk up the tree: categories that two processes have moved at once may form a ring.
const maxAncestors = 32

// ancestorsOf maps each category to itself and those above it, nearest first. A parent that was deleted ends the line.
// The caller holds x.mu for writing.
func (x *Index) ancestorsOf() map[string][]string {
	if x.ancestors != nil {
		return x.ancestors
	}
	ancestors := make(map[string][]string, len(x.categories))
	for handle := range x.categories {
		line := []string{handle}
		for n := x.categories[handle]; n.Parent != "" && len(line) < maxAncestors; {
			next, ok := x.categories[n.Parent]
			if !ok || slices.Contains(line, next.Handle) {
				break
			}
			line = append(line, next.Handle)
			n = next
		}
		ancestors[handle] = line
	}
	x.ancestors = ancestors
	return ancestors
}
