// Package guides follows the how-to pages of docs/ step by step in a copy of the checkout, so that they stay true.
package guides

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// step is an instruction of a page: a comment that says what to do with the code block behind it.
type step struct {
	verb   string // write, append, insert
	path   string
	where  string // for insert: after, before, "at the end of"
	anchor string // for insert: a line, or the beginning of a list
	block  string
}

var stepPattern = regexp.MustCompile(
	"(?m)^<!-- (write|append to|insert into) (\\S+?)(?: (after|before|at the end of): (.*?))? -->\n```[a-z]*\n((?s:.*?))^```$")

// readSteps reads the instructions of a page.
func readSteps(page string) (steps []step, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	for _, m := range stepPattern.FindAllStringSubmatch(string(text), -1) {
		steps = append(steps, step{verb: strings.Fields(m[1])[0], path: m[2], where: m[3], anchor: m[4], block: m[5]})
	}
	if n := strings.Count(string(text), "<!-- "); n != len(steps) {
		return nil, fmt.Errorf("%s has %d comments, of which %d are understood as steps", page, n, len(steps))
	}
	return steps, nil
}

// follow does the step in a checkout.
func (s step) follow(root string) error {
	path := filepath.Join(root, s.path)
	if s.verb == "write" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(s.block), 0o644)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := string(content)
	if s.verb == "append" {
		return os.WriteFile(path, []byte(text+s.block), 0o644)
	}
	at, err := s.place(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return os.WriteFile(path, []byte(text[:at]+s.block+text[at:]), 0o644)
}

// place finds where an insertion goes.
func (s step) place(text string) (int, error) {
	line := s.anchor + "\n"
	if n := strings.Count(text, line); n != 1 {
		return 0, fmt.Errorf("the line %q is there %d times", s.anchor, n)
	}
	start := strings.Index(text, line)
	switch s.where {
	case "before":
		return start, nil
	case "after":
		return start + len(line), nil
	}
	length := strings.Index(text[start:], "\n}\n") // a list ends with a brace of its own
	if length < 0 {
		return 0, errors.New("the list has no end")
	}
	return start + length + 1, nil
}

// copyCheckout copies the files that git knows, and those that are new, to a folder.
func copyCheckout(from, to string) error {
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("list the files of the checkout: %w", err)
	}
	for _, name := range strings.Split(strings.Trim(string(out), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, but not committed yet
		}
		if err == nil {
			err = os.MkdirAll(filepath.Join(to, filepath.Dir(name)), 0o755)
		}
		if err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, name), content, info.Mode()); err != nil {
			return err
		}
	}
	return nil
}
