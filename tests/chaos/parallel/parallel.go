// Package parallel runs functions at the same time and returns the errors of all of them. A run goes on after an error,
// because every buyer counts.
package parallel

import (
	"errors"
	"sync"
)

// Each calls f for each item, at most limit calls at the same time. It returns the joined errors.
func Each[T any](items []T, limit int, f func(T) error) error {
	var running sync.WaitGroup
	var failed Errors
	slots := make(chan struct{}, limit)
	for _, item := range items {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			failed.Add(f(item))
		})
	}
	running.Wait()
	return failed.Join()
}

// Together calls f(0) to f(n-1), all at the same moment. It returns the joined errors.
func Together(n int, f func(i int) error) error {
	var running sync.WaitGroup
	var failed Errors
	start := make(chan struct{})
	for i := range n {
		running.Go(func() { <-start; failed.Add(f(i)) })
	}
	close(start)
	running.Wait()
	return failed.Join()
}

// Errors collects errors of several goroutines.
type Errors struct {
	mu   sync.Mutex
	list []error
}

// Add adds an error; nil adds nothing.
func (e *Errors) Add(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, err)
}

// Join returns the joined errors, or nil if there is none.
func (e *Errors) Join() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return errors.Join(e.list...)
}
