// Package service is the edge of the users service: the wiring of its sub-packages, and their routes.
package service

import (
	"context"
	"crypto/rand"
	"runtime"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus"

	"haberdash/apps/users/internal/factor"
	"haberdash/apps/users/internal/signing"
	"haberdash/apps/users/internal/trail"
	"haberdash/apps/users/service/administration"
	"haberdash/apps/users/service/background"
	"haberdash/apps/users/service/directory"
	"haberdash/apps/users/service/factors"
	"haberdash/apps/users/service/hasher"
	"haberdash/apps/users/service/keyring"
	"haberdash/apps/users/service/mailbox"
	"haberdash/apps/users/service/profile"
	"haberdash/apps/users/service/registration"
	"haberdash/apps/users/service/secondfactor"
	"haberdash/apps/users/service/signin"
	"haberdash/apps/users/service/store"
	"haberdash/internal/commitlog"
	"haberdash/internal/sidecar"
)

// encryptionSecret is the name of the secret that encrypts the signing keys, and that mailed tokens, refresh tokens
// and tokens of devices are derived from.
const encryptionSecret = "KEY_ENCRYPTION_KEY"

// maxWaiting bounds the requests that wait for a slot to hash a password.
const maxWaiting = 128

// Deps are the dependencies and settings of the service.
type Deps struct {
	State   sidecar.State
	Secrets sidecar.Secrets
	Log     *commitlog.Partition[trail.State]
	Now     func() time.Time
	NewID   func() string // unguessable, of the form of NewID
	Hashing argon2id.Params
	Factors secondfactor.Config
	Metrics prometheus.Registerer // none if nil

	Registration registration.Mode
}

// NewID returns a new id: 26 lower-case letters and digits with 130 random bits.
func NewID() string { return strings.ToLower(rand.Text()) }

// Service is the users service.
type Service struct {
	keys           *keyring.Keyring
	hasher         *hasher.Hasher
	tasks          *background.Tasks
	directory      *directory.Directory
	mailboxes      *mailbox.Mailboxes
	signIn         *signin.Service
	factors        *factors.Service
	registration   *registration.Service
	profile        *profile.Service
	administration *administration.Service
}

// New makes the service. It reads the secret and the signing keys, and makes the first signing key.
func New(ctx context.Context, d Deps) (*Service, error) {
	secret, err := d.Secrets.Secret(ctx, encryptionSecret)
	if err != nil {
		return nil, err
	}
	keys, err := keyring.Open(ctx, d.State, secret, d.Now, d.NewID)
	if err != nil {
		return nil, err
	}
	tokens, err := signing.NewMailTokens(secret)
	if err != nil {
		return nil, err
	}
	successors, err := signing.NewSuccessors(secret)
	if err != nil {
		return nil, err
	}
	devices, err := signing.NewDevices(secret)
	if err != nil {
		return nil, err
	}
	vault, err := factor.NewVault(secret)
	if err != nil {
		return nil, err
	}
	// Half of the processors leave the other half to requests that hash no password.
	hash, err := hasher.New(d.Hashing, max(1, runtime.GOMAXPROCS(0)/2), maxWaiting)
	if err != nil {
		return nil, err
	}
	if d.Metrics == nil {
		d.Metrics = prometheus.NewRegistry()
	}
	hash.Measure(d.Metrics)
	documents, tasks, records := store.New(d.State), background.New(), trail.New(d.Log)
	dir := directory.New(d.State, documents)
	mailboxes := &mailbox.Mailboxes{Store: documents, Directory: dir, Trail: records, Tokens: tokens, Tasks: tasks,
		Now: d.Now, NewID: d.NewID}
	verifier, err := secondfactor.New(secondfactor.Verifier{Config: d.Factors, Store: documents, Trail: records,
		Vault: vault, Now: d.Now, NewID: d.NewID})
	if err != nil {
		return nil, err
	}
	signIn := &signin.Service{Store: documents, Trail: records, Keys: keys, Hasher: hash, Tasks: tasks,
		Now: d.Now, NewID: d.NewID, Successors: successors, Devices: devices, Factors: verifier,
		Metrics: signin.NewMetrics(d.Metrics)}
	return &Service{
		keys: keys, hasher: hash, tasks: tasks, directory: dir, mailboxes: mailboxes, signIn: signIn,
		factors: &factors.Service{Store: documents, Mailboxes: mailboxes, Trail: records, SignIn: signIn,
			Verifier: verifier},
		registration: &registration.Service{Mode: d.Registration, Store: documents, Mailboxes: mailboxes,
			Trail: records, SignIn: signIn, Now: d.Now, NewID: d.NewID,
			Hasher: hash, Tasks: tasks},
		profile: &profile.Service{Store: documents, Mailboxes: mailboxes, Trail: records, SignIn: signIn,
			Hasher: hash, Now: d.Now, NewID: d.NewID},
		administration: &administration.Service{Store: documents, Directory: dir, Mailboxes: mailboxes, Trail: records,
			SignIn: signIn, Hasher: hash},
	}, nil
}

// Mount adds all operations of the service to an API that verifies access tokens with the keys of the service.
func (s *Service) Mount(api huma.API) {
	s.signIn.Mount(api)
	s.factors.Mount(api)
	s.registration.Mount(api)
	s.profile.Mount(api)
	s.administration.Mount(api)
	s.mailboxes.Mount(api)
}
