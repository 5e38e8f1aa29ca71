// Package hasher hashes passwords with argon2id, a few at a time: each takes 19 MiB and tens of
// milliseconds of a core, and a storm of sign-ins must not take them all.
package hasher

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"

	"haberdash/internal/fault"
)

// OWASP is the recommended cost (OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane).
var OWASP = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Hasher is a bounded pool.
type Hasher struct {
	params  argon2id.Params
	slots   chan struct{}
	waiting atomic.Int64
	done    atomic.Int64
	queue   int64
	decoy   string // a hash of nothing anybody knows
}

// New makes a hasher that runs parallel hashes at once and lets queue callers wait.
func New(params argon2id.Params, parallel, queue int) (*Hasher, error) {
	decoy, err := argon2id.CreateHash("no password has this hash", &params)
	if err != nil {
		return nil, fmt.Errorf("argon2id: %w", err)
	}
	return &Hasher{params: params, slots: make(chan struct{}, parallel), queue: int64(queue), decoy: decoy}, nil
}

var errBusy = fault.New(fault.Unavailable, "unavailable", "Too many people are signing in at once. Try again in a moment.").After(2 * time.Second)

func (h *Hasher) acquire(ctx context.Context) error {
	select {
	case h.slots <- struct{}{}:
		return nil
	default:
	}
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > h.queue {
		return errBusy
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return errBusy.Because(ctx.Err())
	}
}

func (h *Hasher) release() {
	h.done.Add(1)
	<-h.slots
}

// Done counts the hashes that were made or compared so far.
func (h *Hasher) Done() int64 { return h.done.Load() }

// Hash gives the encoded hash of a password, with a salt of its own. Error: unavailable (503) when the
// queue is full or ctx ends while waiting.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if err := h.acquire(ctx); err != nil {
		return "", err
	}
	defer h.release()
	return argon2id.CreateHash(canonical(password), &h.params)
}

// Matches reports whether the password has the hash. An empty hash matches nothing and costs the same,
// so the time tells nobody whether an account exists. Error: as Hash.
func (h *Hasher) Matches(ctx context.Context, password, hash string) (bool, error) {
	if err := h.acquire(ctx); err != nil {
		return false, err
	}
	defer h.release()
	if hash == "" {
		_, err := argon2id.ComparePasswordAndHash(canonical(password), h.decoy)
		return false, err
	}
	return argon2id.ComparePasswordAndHash(canonical(password), hash)
}

// canonical makes one password of the several byte sequences that different keyboards send for it
// (RFC 8265, section 4.2.2: NFC).
func canonical(password string) string { return norm.NFC.String(password) }
