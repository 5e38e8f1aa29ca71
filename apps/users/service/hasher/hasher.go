// Package hasher hashes passwords with argon2id. It bounds how many hashes run at once, how much of the processors they
// take, and how many callers wait for one: a hash takes 19 MiB and about 18 ms of a core, and a flood of sign-ins must
// leave the machine to the other services.
package hasher

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/alexedwards/argon2id"
	"golang.org/x/sync/semaphore"
	"golang.org/x/text/unicode/norm"

	"haberdash/internal/fault"
)

// OWASP is the recommended cost (OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane).
var OWASP = argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// rest is how long a slot stays empty after a hash, as a multiple of the time that the hash took. A hash fills the
// caches of all cores, so a limit on the hashes at once is not enough for the other services.
//
// Measured with 200 wrong logins a second and 16 clients that place orders, on two cores: the 99th percentile of
// placing an order was 1.31 to 1.45 times its value without logins with this rest, and 1.32, 1.60 and 2.30 times
// without a rest. With a limit of 18 hashes a second it was 1.74 and 2.81 times: on a busy machine a hash takes longer,
// and the limit does not make up for that.
const rest = 2

// keepMemory is how long the memory of the hashes stays with the process after the last hash. The limit on the slots
// does not replace this: without it, an idle process still has 54 MB instead of 15 MB four minutes after one hash.
const keepMemory = 10 * time.Second

// Hasher hashes passwords in a limited number of slots, with a bounded queue of callers that wait for a slot. It is
// safe for concurrent use.
type Hasher struct {
	params argon2id.Params
	queue  *semaphore.Weighted // reservations: callers that hash or wait
	slots  *semaphore.Weighted // hashes that run
	done   atomic.Int64
	idle   *time.Timer // returns memory to the system after keepMemory without a hash
	decoy  string      // the hash of a password that no account has

	waiting, running atomic.Int64 // callers that wait for a slot, and hashes that run
}

// New makes a hasher that runs at most parallel hashes at once and lets at most waiting callers wait for them.
func New(params argon2id.Params, parallel, waiting int) (*Hasher, error) {
	decoy, err := argon2id.CreateHash("no password has this hash", &params)
	if err != nil {
		return nil, fmt.Errorf("argon2id: %w", err)
	}
	return &Hasher{
		params: params, decoy: decoy, idle: time.AfterFunc(keepMemory, debug.FreeOSMemory),
		queue: semaphore.NewWeighted(int64(parallel + waiting)), slots: semaphore.NewWeighted(int64(parallel)),
	}, nil
}

var errBusy = fault.New(fault.Unavailable, "unavailable",
	"Too many people are signing in at once. Try again in a moment.").After(2 * time.Second)

// Reservation is a caller's right to wait for a slot.
type Reservation struct{ h *Hasher }

// Reserve makes a reservation. A caller reserves before it reads anything from a store, so that a refused request costs
// nothing. The caller must call Release. Error: unavailable (503) when the queue is full.
func (h *Hasher) Reserve() (Reservation, error) {
	if !h.queue.TryAcquire(1) {
		return Reservation{}, errBusy
	}
	return Reservation{h}, nil
}

// Release ends the reservation.
func (r Reservation) Release() { r.h.queue.Release(1) }

// run waits for a slot, calls f and lets the slot rest. Error: unavailable (503) when ctx ends before a slot is free.
func (r Reservation) run(ctx context.Context, f func()) error {
	r.h.waiting.Add(1)
	err := r.h.slots.Acquire(ctx, 1)
	r.h.waiting.Add(-1)
	if err != nil {
		return errBusy.Because(err)
	}
	began := time.Now()
	r.h.running.Add(1)
	defer func() {
		r.h.running.Add(-1)
		time.AfterFunc(rest*time.Since(began), func() { r.h.slots.Release(1) })
		r.h.idle.Reset(keepMemory)
	}()
	f()
	r.h.done.Add(1)
	return nil
}

// Hash returns the encoded hash of a password, with a new salt. Error: unavailable (503) when ctx ends before a slot is
// free.
func (r Reservation) Hash(ctx context.Context, password string) (hash string, err error) {
	busy := r.run(ctx, func() { hash, err = argon2id.CreateHash(canonical(password), &r.h.params) })
	if busy != nil {
		return "", busy
	}
	return hash, err
}

// Matches reports whether the hash is that of the password. An empty hash matches no password and takes as long as any
// other, so the time of an answer does not show whether an account exists. Errors: as Hash.
func (r Reservation) Matches(ctx context.Context, password, hash string) (ok bool, err error) {
	compared := hash
	if hash == "" {
		compared = r.h.decoy
	}
	busy := r.run(ctx, func() { ok, err = argon2id.ComparePasswordAndHash(canonical(password), compared) })
	if busy != nil {
		return false, busy
	}
	return ok && hash != "", err
}

// Done returns how many passwords were hashed or compared.
func (h *Hasher) Done() int64 { return h.done.Load() }

// Hash is Reservation.Hash with a reservation of its own. Errors: as Reserve and Reservation.Hash.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	r, err := h.Reserve()
	if err != nil {
		return "", err
	}
	defer r.Release()
	return r.Hash(ctx, password)
}

// canonical returns one form for all byte sequences that keyboards send for the same password (RFC 8265, section 4.2.2:
// NFC).
func canonical(password string) string { return norm.NFC.String(password) }
