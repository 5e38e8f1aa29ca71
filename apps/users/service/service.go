// Package service is the edge of the users service: registration and proof of the mailbox, sign-in and
// sessions, profiles, roles, and the keys that sign access tokens.
package service

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"crypto/rand"

	"github.com/alexedwards/argon2id"
	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/keyring"
	"haberdash/apps/users/service/store"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// sealingSecret names the secret under which the private signing keys are sealed.
const sealingSecret = "KEY_ENCRYPTION_KEY"

// Deps are what the service works with.
type Deps struct {
	State     sidecar.State
	Publisher sidecar.Publisher
	Secrets   sidecar.Secrets
	Now       func() time.Time
	NewID     func() string   // opaque, unguessable, of the form of RandomID; RandomID if nil
	Hashing   argon2id.Params // hasher.OWASP if zero
}

// RandomID is 26 letters and digits with 130 bits of chance.
func RandomID() string { return strings.ToLower(rand.Text()) }

// Service is the users service. Make it with New, put it on an API with Mount.
type Service struct {
	store     *store.Store
	publisher sidecar.Publisher
	keys      *keyring.Keyring
	hasher    *hasher.Hasher
	now       func() time.Time
	newID     func() string
	lanes     lanes
	pending   sync.WaitGroup
	places    chan struct{} // work in the background
}

// Bounds on what runs at once. Two hashes take 38 MiB and two cores at most.
const (
	hashesAtOnce   = 2
	hashesWaiting  = 128
	backgroundMost = 256
	backgroundTime = 30 * time.Second
)

// New makes the service: it reads the sealing secret and opens, or first makes, the signing keys.
func New(ctx context.Context, d Deps) (*Service, error) {
	if d.NewID == nil {
		d.NewID = RandomID
	}
	if d.Hashing == (argon2id.Params{}) {
		d.Hashing = hasher.OWASP
	}
	secret, err := d.Secrets.Secret(ctx, sealingSecret)
	if err != nil {
		return nil, err
	}
	keys, err := keyring.Open(ctx, d.State, secret, d.Now, d.NewID)
	if err != nil {
		return nil, err
	}
	h, err := hasher.New(d.Hashing, hashesAtOnce, hashesWaiting)
	if err != nil {
		return nil, err
	}
	return &Service{
		store: store.New(d.State), publisher: d.Publisher, keys: keys, hasher: h, now: d.Now, newID: d.NewID,
		places: make(chan struct{}, backgroundMost),
	}, nil
}

// Mount adds the service's operations to the API.
func (s *Service) Mount(api huma.API) {
	s.mountAuth(api)
	s.mountMe(api)
	s.mountAddresses(api)
	s.mountAdmin(api)
}

// MountExport offers what the service owns, on an API without a deadline. The keys come first: every shop has some of
// its own, so they tell at once that a store is not empty.
func (s *Service) MountExport(api huma.API) {
	moving.MountExport(api, "users", s.keys.Export, s.store.Export)
}

// Verifier checks access tokens with the service's own keys, without a call through the mesh.
func (s *Service) Verifier() *identity.Verifier { return identity.NewVerifier(s.keys, s.now) }

// Start keeps the signing keys fresh, and rotates them when it is time, until ctx ends.
func (s *Service) Start(ctx context.Context) {
	go s.keys.Run(ctx, func(err error) { telemetry.Log(ctx).Error().Err(err).Msg("signing keys not refreshed") })
}

// Close waits for work in the background, until ctx ends.
func (s *Service) Close(ctx context.Context) error {
	done := make(chan struct{})
	go func() { s.pending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mail not handed over yet: %w", ctx.Err())
	}
}

// later does work after the answer, so that the answer's time tells nothing of it. Error: unavailable
// (503) when too much is under way.
func (s *Service) later(ctx context.Context, what string, work func(context.Context) error) error {
	select {
	case s.places <- struct{}{}:
	default:
		return fault.New(fault.Unavailable, "unavailable", "Too much mail is under way. Try again in a moment.").After(2 * time.Second)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), backgroundTime)
	s.pending.Go(func() {
		defer cancel()
		defer func() { <-s.places }()
		if err := work(ctx); err != nil {
			telemetry.Log(ctx).Error().Err(err).Msg(what + " failed")
		}
	})
	return nil
}

// lanes let one request at a time through for each name, so that parallel guesses at one account are
// counted one by one and cannot take all the places for hashing.
type lanes struct {
	mu    sync.Mutex
	taken map[string]*lane
}

type lane struct {
	free  chan struct{}
	users int
}

// enter waits for the lane; leave must be called after. Error: unavailable (503) when ctx ends first.
func (l *lanes) enter(ctx context.Context, name string) (leave func(), err error) {
	l.mu.Lock()
	if l.taken == nil {
		l.taken = map[string]*lane{}
	}
	x := l.taken[name]
	if x == nil {
		x = &lane{free: make(chan struct{}, 1)}
		l.taken[name] = x
	}
	x.users++
	l.mu.Unlock()
	forget := func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if x.users--; x.users == 0 {
			delete(l.taken, name)
		}
	}
	select {
	case x.free <- struct{}{}:
		return func() { <-x.free; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, fault.New(fault.Unavailable, "unavailable", "Too many sign-ins to one account at once. Try again.").After(time.Second).Because(ctx.Err())
	}
}
