// Package service is the edge of the users service: registration and proof of the mailbox, sign-in and
// sessions, profiles, roles, and the keys that sign access tokens.
package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/users/internal/account"
	"haberdash/apps/users/internal/signing"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/keyring"
	"haberdash/apps/users/service/store"
	"haberdash/internal/commitlog"
	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/identity"
	"haberdash/internal/moving"
	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// sealingSecret names the secret under which the private signing keys are sealed, and from which mailed tokens
// are made.
const sealingSecret = "KEY_ENCRYPTION_KEY"

// Deps are what the service works with.
type Deps struct {
	State     sidecar.State
	Publisher sidecar.Publisher
	Secrets   sidecar.Secrets
	Now       func() time.Time
	NewID     func() string     // opaque, unguessable, of the form of RandomID; RandomID if nil
	Hashing   argon2id.Params   // hasher.OWASP if zero
	Log       commitlog.Options // of the trail's log; its clock is Now
}

// RandomID is 26 letters and digits with 130 bits of chance.
func RandomID() string { return strings.ToLower(rand.Text()) }

// Service is the users service. Make it with New, put it on an API with Mount.
type Service struct {
	store     *store.Store
	log       *commitlog.Partition[trail.State]
	trail     *trail.Trail
	publisher sidecar.Publisher
	keys      *keyring.Keyring
	tokens    signing.Mailed
	hasher    *hasher.Hasher
	now       func() time.Time
	newID     func() string
	lanes     lanes
	pending   sync.WaitGroup
	places    chan struct{} // work in the background
	running   sync.WaitGroup
	stop      context.CancelFunc

	configured account.Email // the administrator of EnsureAdministrator
}

// Limits of requests that wait for a hash, and of work in the background.
const (
	hashesWaiting  = 128
	backgroundMost = 256
	backgroundTime = 30 * time.Second
)

// logName names the trail's log, the only one of the service.
const logName = "users"

// New makes the service: it reads the sealing secret, opens, or first makes, the signing keys, and opens the
// trail. What it opens, Close closes.
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
	tokens, err := signing.NewMailed(secret)
	if err != nil {
		return nil, err
	}
	// Half of the processors, which rest for two thirds of the time: hashes take a sixth of the machine at most.
	h, err := hasher.New(d.Hashing, max(1, runtime.GOMAXPROCS(0)/2), hashesWaiting)
	if err != nil {
		return nil, err
	}
	d.Log.Now = d.Now
	log, err := commitlog.Open(ctx, d.State, "users", logName, trail.Model(), d.Log)
	if err != nil {
		return nil, err
	}
	return &Service{
		store: store.New(d.State), log: log, trail: trail.New(log), publisher: d.Publisher, keys: keys, tokens: tokens, hasher: h,
		now: d.Now, newID: d.NewID, places: make(chan struct{}, backgroundMost), stop: func() {},
	}, nil
}

// Mount adds the service's operations to the API.
func (s *Service) Mount(api huma.API) {
	s.mountAuth(api)
	s.mountMe(api)
	s.mountAddresses(api)
	s.mountAdmin(api)
	s.mountMails(api)
	logapi.MountFeed(api, s.log)
}

// MountAudit adds the comparison of the trail's documents with its log, which may take long.
func (s *Service) MountAudit(api huma.API) { logapi.MountAudit(api, s.log) }

// MountExport offers what the service owns, on an API without a deadline. The keys come first: every shop has some of
// its own, so they tell at once that a store is not empty.
func (s *Service) MountExport(api huma.API) {
	moving.MountExport(api, "users", s.keys.Export, logapi.Exported(s.log, contract.TopicUsers), s.store.Export,
		func(ctx context.Context, put func(sidecar.Item) error) error {
			return s.store.ExportInstalled(ctx, s.configured, put)
		})
}

// Verifier checks access tokens with the service's own keys, without a call through the mesh.
func (s *Service) Verifier() *identity.Verifier { return identity.NewVerifier(s.keys, s.now) }

// Hashes returns how many passwords were hashed or compared.
func (s *Service) Hashes() int64 { return s.hasher.Done() }

// Start begins the service's own work, which ends with ctx or Close: it keeps the signing keys fresh and rotates
// them when it is time, tells others of what is recorded, and carries out deletions that a crash interrupted.
func (s *Service) Start(ctx context.Context) {
	ctx, s.stop = context.WithCancel(ctx)
	s.running.Go(func() {
		s.keys.Run(ctx, func(err error) { telemetry.Log(ctx).Error().Err(err).Msg("signing keys not refreshed") })
	})
	s.running.Go(func() { s.log.Publish(ctx, s.publisher, contract.TopicUsers) })
	s.running.Go(func() { s.trail.Follow(ctx, s.erase) })
}

// Settle waits for work in the background, until ctx ends.
func (s *Service) Settle(ctx context.Context) error {
	done := make(chan struct{})
	go func() { s.pending.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("mail not asked for yet: %w", ctx.Err())
	}
}

// Close ends the service's work: what a request has left to do first, until ctx ends.
func (s *Service) Close(ctx context.Context) error {
	unsettled := s.Settle(ctx)
	s.stop()
	s.running.Wait()
	return errors.Join(unsettled, s.log.Close(ctx))
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

// lanes let one request at a time through for each name, so that parallel guesses at one account, or from one
// address, are counted one by one and cannot take all the places for hashing.
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
		return nil, fault.New(fault.Unavailable, "unavailable", "Too many sign-ins at once. Try again.").After(time.Second).Because(ctx.Err())
	}
}
