// Package guides carries out the steps of the how-to pages in docs/ in a copy of the repository, so that a test can
// show that the pages are correct.
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

// step is an instruction of a page: a comment that says what to do with the code block after it.
type step struct {
	action string // write, append or insert
	path   string // of the file
	where  string // of an insertion: after, before, or at the end of
	anchor string // of an insertion: a line, or the first line of a list
	block  string // the code
}

var stepPattern = regexp.MustCompile(
	"(?m)^<!-- (write|append to|insert into) (\\S+?)(?: (after|before|at the end of): (.*?))? -->\n" +
		"```[a-z]*\n((?s:.*?))^```$")

// readSteps reads the instructions of a page.
func readSteps(page string) (steps []step, err error) {
	text, err := os.ReadFile(page)
	if err != nil {
		return nil, err
	}
	for _, m := range stepPattern.FindAllStringSubmatch(string(text), -1) {
		action := strings.Fields(m[1])[0]
		steps = append(steps, step{action: action, path: m[2], where: m[3], anchor: m[4], block: m[5]})
	}
	if n := strings.Count(string(text), "<!-- "); n != len(steps) {
		return nil, fmt.Errorf("%s has %d comments, but only %d of them are steps", page, n, len(steps))
	}
	return steps, nil
}

// apply carries out the step in the repository at root.
func (s step) apply(root string) error {
	path := filepath.Join(root, s.path)
	if s.action == "write" {
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
	if s.action == "append" {
		return os.WriteFile(path, []byte(text+s.block), 0o644)
	}
	at, err := s.position(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return os.WriteFile(path, []byte(text[:at]+s.block+text[at:]), 0o644)
}

// position returns the offset of an insertion.
func (s step) position(text string) (int, error) {
	line := s.anchor + "\n"
	if n := strings.Count(text, line); n != 1 {
		return 0, fmt.Errorf("the file has the line %q %d times instead of once", s.anchor, n)
	}
	start := strings.Index(text, line)
	switch s.where {
	case "before":
		return start, nil
	case "after":
		return start + len(line), nil
	}
	length := strings.Index(text[start:], "\n}\n") // a list ends with a brace on its own line
	if length < 0 {
		return 0, fmt.Errorf("the list %q has no end", s.anchor)
	}
	return start + length + 1, nil
}

// copyRepository copies the files that git tracks, and new files that it does not ignore, to a folder.
func copyRepository(from, to string) error {
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("list the files of the repository: %w", err)
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
