package service

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/internal/contract"
	"haberdash/internal/sidecar/memory"
)

// Addresses of the owner of an account, at home and elsewhere, and of a stranger.
const (
	home      = "198.51.100.7"
	elsewhere = "198.51.100.99"
	strangers = "203.0.113.7"
)

func (f *fixture) loginOn(device, address, email, pass string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/login", "", obj{"email": email, "password": pass, "deviceToken": device},
		"X-Forwarded-For", address)
}

func (f *fixture) forgotFrom(address, email, device string) reply {
	f.t.Helper()
	return f.do("POST", "/api/v1/auth/forgot-password", "", obj{"email": email, "deviceToken": device},
		"X-Forwarded-For", address)
}

func TestAStrangersGuessesDoNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	require.Equal(t, 200, f.loginFrom(home, "a@example.com", password).status)
	for i := range 10 {
		want := 401
		if i >= 5 {
			want = 429
		}
		require.Equal(t, want, f.loginFrom(strangers, "a@example.com", "wrong").status)
	}
	require.Equal(t, 429, f.loginFrom(strangers, "a@example.com", password).status, "the guesser waits")
	require.Equal(t, 200, f.loginFrom(home, "a@example.com", password).status)
	require.Equal(t, 200, f.loginFrom(elsewhere, "a@example.com", password).status)
	require.Equal(t, 429, f.loginFrom(strangers, "a@example.com", "wrong").status, "that does not help the guesser")
}

// Guesses from many addresses are slowed down together. The owner is known at the addresses and on the devices of
// earlier sign-ins.
func TestGuessesFromManyAddressesDoNotStopKnownDevices(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	f.register("b@example.com", password)
	device := f.loginFrom(home, "a@example.com", password).str("deviceToken")
	other := f.loginFrom(elsewhere, "b@example.com", password).str("deviceToken")
	require.NotEmpty(t, device)
	count := map[int]int{}
	for i := range 40 {
		count[f.loginFrom(fmt.Sprintf("203.0.113.%d", i), "a@example.com", "wrong").status]++
	}
	require.Equal(t, map[int]int{401: 20, 429: 20}, count)
	require.Equal(t, 429, f.loginFrom(elsewhere, "a@example.com", password).status, "an unknown device waits")
	for _, forged := range []string{other, device + "x", "x", ".", strings.ToLower(device), other[:27] + device[27:]} {
		require.Equal(t, 429, f.loginOn(forged, elsewhere, "a@example.com", password).status, forged)
	}
	require.Equal(t, 200, f.loginFrom(home, "a@example.com", password).status)
	in := f.loginOn(device, elsewhere, "a@example.com", password)
	require.Equal(t, 200, in.status)
	require.Equal(t, device, in.str("deviceToken"), "a known device keeps its token")

	// Whoever has stolen a device's token gets no more guesses than anybody else, and does not stop the owner.
	for range 5 {
		require.Equal(t, 401, f.loginOn(device, strangers, "a@example.com", "wrong").status)
	}
	require.Equal(t, 429, f.loginOn(device, strangers, "a@example.com", password).status)
	require.Equal(t, 429, f.loginOn(device, home, "a@example.com", password).status)
	require.Equal(t, 200, f.loginFrom(home, "a@example.com", password).status)
	f.clock.pass(90 * 24 * time.Hour)
	for i := range 40 {
		f.loginFrom(fmt.Sprintf("203.0.113.%d", i), "a@example.com", "wrong")
	}
	require.Equal(t, 429, f.loginFrom(home, "a@example.com", password).status, "addresses are forgotten")
}

// The mails that strangers ask for neither swallow the owner's nor flood the mailbox.
func TestAStrangersMailsDoNotSwallowTheOwners(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	device := f.loginFrom(home, "a@example.com", password).str("deviceToken")
	f.finishTasks()
	f.clock.pass(24 * time.Hour) // the mail of the registration does not count any more
	mails := func() int { return len(f.mails(contract.UserPasswordResetAsked)) }
	for range 8 {
		require.Equal(t, 202, f.forgotFrom(strangers, "a@example.com", "").status)
		f.finishTasks()
	}
	require.Equal(t, 5, mails())
	require.Equal(t, 202, f.forgotFrom(elsewhere, "a@example.com", "").status)
	require.Equal(t, 6, mails(), "another client is not the stranger")
	for i := range 30 {
		f.forgotFrom(fmt.Sprintf("203.0.113.%d", i), "a@example.com", "")
		f.finishTasks()
	}
	require.Equal(t, 10, mails(), "the mailbox is not flooded")
	f.forgotFrom(elsewhere, "a@example.com", "")
	require.Equal(t, 10, mails())
	f.forgotFrom(home, "a@example.com", "")
	require.Equal(t, 11, mails())
	f.forgotFrom(elsewhere, "a@example.com", device)
	require.Equal(t, 12, mails())
	for range 10 {
		f.forgotFrom(home, "a@example.com", "")
		f.finishTasks()
	}
	require.Equal(t, 16, mails(), "what a known client asks for is bounded too")
}

func TestRegistrationsDoNotFloodAMailbox(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{false, true} {
		f := newVerifiedReplica(t, memory.NewState(), nil)
		event := contract.UserVerificationRequested
		if known {
			f.openByMail("a@example.com", password)
			f.clock.pass(24 * time.Hour)
			event = contract.UserRegistrationRepeated
		}
		before := len(f.mails(event))
		for range 20 {
			require.Equal(t, 202, f.register("a@example.com", password).status)
			f.finishTasks()
		}
		require.Len(t, f.mails(event), before+5)
		for i := range 30 {
			r := f.do("POST", "/api/v1/auth/register", "", obj{"email": "a@example.com", "password": password, "name": "A"},
				"X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
			require.Equal(t, 202, r.status)
			f.finishTasks()
		}
		require.Len(t, f.mails(event), before+10)
	}
}

// Parallel guesses from many addresses are counted one by one, and a known device does not wait for them.
func TestParallelGuessesFromManyAddresses(t *testing.T) {
	t.Parallel()
	f := newReplica(t, memory.NewState(), nil) // two replicas may each have one guess more in progress
	f.register("a@example.com", password)
	device := f.loginFrom(home, "a@example.com", password).str("deviceToken")
	start := make(chan struct{})
	statuses := make([]int, 60)
	var done sync.WaitGroup
	for i := range statuses {
		done.Go(func() {
			<-start
			statuses[i] = f.loginFrom(fmt.Sprintf("203.0.113.%d", i), "a@example.com", "wrong").status
		})
	}
	close(start)
	require.Equal(t, 200, f.loginOn(device, elsewhere, "a@example.com", password).status)
	done.Wait()
	count := map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{401: 20, 429: 40}, count)

	statuses = statuses[:20]
	for i := range statuses {
		done.Go(func() { statuses[i] = f.loginOn(device, elsewhere, "a@example.com", "wrong").status })
	}
	done.Wait()
	count = map[int]int{}
	for _, status := range statuses {
		count[status]++
	}
	require.Equal(t, map[int]int{401: 5, 429: 15}, count, "guesses of one device")
}

// A new password from a mail makes the client known, however many guesses there were.
func TestAResetMakesTheClientKnown(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.register("a@example.com", password)
	for i := range 40 {
		f.loginFrom(fmt.Sprintf("203.0.113.%d", i), "a@example.com", "wrong")
	}
	f.forgotFrom(elsewhere, "a@example.com", "")
	body := obj{"token": f.lastMail(contract.UserPasswordResetAsked).Token, "password": "a new password"}
	require.Equal(t, 204, f.do("POST", "/api/v1/auth/reset-password", "", body, "X-Forwarded-For", elsewhere).status)
	for i := range 40 {
		f.loginFrom(fmt.Sprintf("203.0.113.%d", i), "a@example.com", "wrong")
	}
	require.Equal(t, 200, f.loginFrom(elsewhere, "a@example.com", "a new password").status)
}

// The guesses of strangers do not keep the owner, who is signed in, from changes that need the password.
func TestStrangersDoNotStopChangesOfTheOwner(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	access, _ := f.signUp("a@example.com")
	other := f.login("a@example.com", password).str("accessToken")
	for range 10 {
		f.login("a@example.com", "wrong")
	}
	for range 6 {
		f.changePassword(other, "wrong", "a new password")
	}
	require.Equal(t, 429, f.changePassword(other, password, "a new password").status, "a thief of another session waits")
	require.Equal(t, 204, f.changePassword(access, password, "a new password").status)
}

// Neither addresses nor plain digests of them are stored: all IPv4 addresses can be tried.
func TestAddressesAreNotStored(t *testing.T) {
	t.Parallel()
	state := memory.NewState()
	f := newReplica(t, state, nil)
	f.register("a@example.com", password)
	in := f.loginFrom(home, "a@example.com", password)
	f.loginFrom(strangers, "a@example.com", "wrong")
	f.forgotFrom(home, "a@example.com", "")
	f.finishTasks()
	origins := 0
	for key, value := range state.All() {
		for _, address := range []string{home, strangers} {
			for _, digested := range []string{address, "from " + address, fmt.Sprintf("%d:%s", len(address), address)} {
				sum := sha256.Sum256([]byte(digested))
				require.NotContains(t, key+value, hex.EncodeToString(sum[:]))
			}
			require.NotContains(t, key+value, address)
		}
		if strings.HasPrefix(key, "origins/") {
			origins++
		}
	}
	require.Equal(t, 1, origins)
	require.Equal(t, 204, f.deleteMe(in.str("accessToken")).status)
	for key := range state.All() {
		require.False(t, strings.HasPrefix(key, "origins/"), "erased with the account")
	}
}
