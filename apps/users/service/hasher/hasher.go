// Package hasher hashes passwords with argon2id, a few at a time: each takes 19 MiB and tens of
// milliseconds of a core, and a storm of sign-ins must not take them all.
package hasher

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"haberdash/internal/fault"
)

// OWASP is the recommended cost (OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane).
var OWASP = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Hasher is a bounded pool of workers and a bounded line of those who wait for one. A worker has a thread of its own that
// yields to the rest of the machine, and rests after each hash for twice as long as that took: hashing takes a third of
// its core at most, and less when others want it. It also takes the caches of all cores, which no priority helps against.
type Hasher struct {
	params  argon2id.Params
	places  chan struct{}
	work    chan func()
	done    atomic.Int64
	workers sync.WaitGroup
	tidy    *time.Timer
	close   func()
	decoy   string // a hash of nothing anybody knows
}

// quiet is how long after the last hash the memory of all goes back to the system: by itself the runtime keeps twice what
// one takes for minutes, more than all else of the service.
const quiet = 10 * time.Second

// New makes a hasher that runs parallel hashes at once and lets queue callers wait. Close ends it.
func New(params argon2id.Params, parallel, queue int) (*Hasher, error) {
	decoy, err := argon2id.CreateHash("no password has this hash", &params)
	if err != nil {
		return nil, fmt.Errorf("argon2id: %w", err)
	}
	h := &Hasher{params: params, places: make(chan struct{}, parallel+queue), work: make(chan func()), decoy: decoy}
	h.tidy = time.AfterFunc(quiet, debug.FreeOSMemory)
	h.close = sync.OnceFunc(func() { close(h.work) })
	for range parallel {
		h.workers.Go(func() {
			yieldToOthers()
			for do := range h.work {
				began := time.Now()
				do()
				h.tidy.Reset(quiet)
				time.Sleep(2 * time.Since(began)) // see Hasher
			}
		})
	}
	return h, nil
}

// Close ends the workers once they have done what they do. Nobody may have a place any more.
func (h *Hasher) Close() {
	h.close()
	h.workers.Wait()
	h.tidy.Stop()
}

var errBusy = fault.New(fault.Unavailable, "unavailable", "Too many people are signing in at once. Try again in a moment.").After(2 * time.Second)

// Place is a place in the line, and then at a worker.
type Place struct{ h *Hasher }

// Reserve takes a place, before there is any other work to be done for a caller who may not get one. Leave gives it
// back. Error: unavailable (503) when the line is full.
func (h *Hasher) Reserve() (Place, error) {
	select {
	case h.places <- struct{}{}:
		return Place{h}, nil
	default:
		return Place{}, errBusy
	}
}

// Leave gives the place back.
func (p Place) Leave() { <-p.h.places }

// do has a worker do something, and waits for it. Error: unavailable (503) when ctx ends while it waits for its turn.
func (p Place) do(ctx context.Context, something func()) error {
	done := make(chan struct{})
	select {
	case p.h.work <- func() { defer close(done); something() }:
		<-done
		p.h.done.Add(1)
		return nil
	case <-ctx.Done():
		return errBusy.Because(ctx.Err())
	}
}

// Hash gives the encoded hash of a password, with a salt of its own. Error: unavailable (503) when ctx ends while it
// waits for its turn.
func (p Place) Hash(ctx context.Context, password string) (hash string, err error) {
	if busy := p.do(ctx, func() { hash, err = argon2id.CreateHash(canonical(password), &p.h.params) }); busy != nil {
		return "", busy
	}
	return hash, err
}

// Matches reports whether the password has the hash. An empty hash matches nothing and costs the same,
// so the time tells nobody whether an account exists. Error: as Hash.
func (p Place) Matches(ctx context.Context, password, hash string) (ok bool, err error) {
	against := hash
	if hash == "" {
		against = p.h.decoy
	}
	if busy := p.do(ctx, func() { ok, err = argon2id.ComparePasswordAndHash(canonical(password), against) }); busy != nil {
		return false, busy
	}
	return ok && hash != "", err
}

// Done counts the hashes that were made or compared so far.
func (h *Hasher) Done() int64 { return h.done.Load() }

// Hash is Place.Hash in a place of its own. Error: unavailable (503) when the line is full, too.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	p, err := h.Reserve()
	if err != nil {
		return "", err
	}
	defer p.Leave()
	return p.Hash(ctx, password)
}

// canonical makes one password of the several byte sequences that different keyboards send for it
// (RFC 8265, section 4.2.2: NFC).
func canonical(password string) string { return norm.NFC.String(password) }
