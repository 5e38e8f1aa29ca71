package shop

import (
	"os"
	"path/filepath"
)

// ArmStep kills the next process that reaches the step.
func (s *Shop) ArmStep(step string) error {
	return os.WriteFile(filepath.Join(s.stepDir, step), nil, 0o600)
}

// ArmedSteps returns the armed steps that no process has reached yet.
func (s *Shop) ArmedSteps() (steps []string) {
	entries, _ := os.ReadDir(s.stepDir)
	for _, e := range entries {
		steps = append(steps, e.Name())
	}
	return steps
}

// disarmSteps disarms all steps.
func (s *Shop) disarmSteps() {
	for _, step := range s.ArmedSteps() {
		_ = os.Remove(filepath.Join(s.stepDir, step))
	}
}
