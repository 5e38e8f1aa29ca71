package signin

import (
	"context"
	"sync"
	"time"

	"haberdash/internal/fault"
)

// keyedLock has one lock for each key. The zero value is ready for use.
type keyedLock struct {
	mu    sync.Mutex
	locks map[string]*lock
}

type lock struct {
	held  chan struct{} // full while somebody holds the lock
	users int           // that hold the lock or wait for it
}

// Lock locks a key and returns the function that unlocks it. Error: unavailable (503) when ctx ends first.
func (l *keyedLock) Lock(ctx context.Context, key string) (unlock func(), err error) {
	k := l.use(key)
	select {
	case k.held <- struct{}{}:
		return func() { <-k.held; l.release(key, k) }, nil
	case <-ctx.Done():
		l.release(key, k)
		return nil, fault.New(fault.Unavailable, "unavailable", "Too many sign-ins at once. Try again.").
			After(time.Second).Because(ctx.Err())
	}
}

func (l *keyedLock) use(key string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.locks == nil {
		l.locks = map[string]*lock{}
	}
	k := l.locks[key]
	if k == nil {
		k = &lock{held: make(chan struct{}, 1)}
		l.locks[key] = k
	}
	k.users++
	return k
}

// release forgets the lock of a key that nobody uses any more.
func (l *keyedLock) release(key string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.locks, key)
	}
}
