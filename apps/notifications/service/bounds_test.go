package service

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/apps/notifications/internal/allowance"
	"haberdash/internal/contract"
	"haberdash/internal/sidecar"
)

// confirmations makes events of orders for a mailbox.
func (f *fixture) confirmations(prefix, email string, n int) (events []contract.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range n {
		fact := order()
		fact.OrderID = fmt.Sprint(prefix, i)
		f.contacts[fact.OrderID] = contract.Contact{Email: email, ShippingAddress: zoe.ShippingAddress}
		events = append(events, event(fact.OrderID, contract.OrderConfirmed, fact))
	}
	return events
}

func TestOrderMailsToOneMailboxAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const victim = "victim@example.com"
	for _, e := range f.confirmations("a", victim, 4) {
		require.Equal(t, sidecar.Done, f.deliver(e))
	}
	f.service = f.newReplica("files") // a restart, or another replica
	batch := f.confirmations("b", victim, 30)
	require.NotContains(t, f.deliverBatch(batch...), sidecar.Retry)
	require.Len(t, f.mesh.Bindings(), allowance.Mails)
	assert.InDelta(t, 24, f.counted(f.service.metrics.dropped), 0)
	assert.Empty(t, f.deadLetters())
	assert.NotContains(t, f.log.String(), "victim")
	assert.Contains(t, f.log.String(), "mail dropped")
	for key, value := range f.state.All() {
		assert.NotContains(t, key+value, victim)
	}

	require.Equal(t, sidecar.Done, f.deliver(f.confirmations("c", "other@example.com", 1)[0]))
	require.Len(t, f.mesh.Bindings(), allowance.Mails+1, "other mailboxes get theirs")

	f.later.Store(int64(allowance.Every))
	f.service = f.newReplica("files")
	require.NotContains(t, f.deliverBatch(batch...), sidecar.Retry)
	require.Len(t, f.mesh.Bindings(), allowance.Mails+1, "what was dropped is never sent")
	for _, e := range f.confirmations("d", victim, 3) {
		require.Equal(t, sidecar.Done, f.deliver(e))
	}
	require.Len(t, f.mesh.Bindings(), allowance.Mails+2, "one more after an hour")
}

// A mail that was not sent uses up nothing.
func TestFailedAttemptsUseUpNoAllowance(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	events := f.confirmations("a", "zoe@example.com", allowance.Mails)
	f.binding.err = errors.New("down")
	for range 5 {
		require.Contains(t, f.deliverBatch(events...), sidecar.Retry)
	}
	f.binding.err = nil
	require.NotContains(t, f.deliverBatch(events...), sidecar.Retry)
	require.Len(t, f.mesh.Bindings(), allowance.Mails)
	require.Zero(t, f.counted(f.service.metrics.dropped))
}

// Two replicas that send mail to one mailbox at the same moment both count.
func TestReplicasCountTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := f.service, f.newReplica("files")
	events := f.confirmations("a", "zoe@example.com", 20)
	f.state.beforeWrite = func() {
		f.state.beforeWrite = nil
		f.service = second
		require.Equal(t, sidecar.Done, f.deliver(events[1]))
		f.service = first
	}
	require.Equal(t, sidecar.Done, f.deliver(events[0]))
	for _, e := range events[2:] {
		require.Equal(t, sidecar.Done, f.deliver(e))
	}
	require.Len(t, f.mesh.Bindings(), allowance.Mails)
	for _, e := range events {
		require.Equal(t, sidecar.Done, f.deliver(e))
	}
	require.Len(t, f.mesh.Bindings(), allowance.Mails, "all are marked")
}

func TestAMailCallsTheStoreTwice(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.Equal(t, sidecar.Done, f.deliver(f.confirmations("a", "zoe@example.com", 1)[0]))
	require.EqualValues(t, 2, f.state.calls.Load())
}

// A recipient that the mail server refuses for good becomes a dead letter at once, and the other mails are sent.
func TestAMailThatCanNeverBeSentStopsNoOther(t *testing.T) {
	t.Parallel()
	for kind, address := range map[string]string{"smtp": "unknown@example.com", "files": "a@[127.0.0.1]"} {
		f := newFixture(t)
		f.service = f.newReplica(kind)
		var events []contract.Event
		for i := range 9 {
			events = append(events, f.confirmations(fmt.Sprint("a", i), fmt.Sprint("buyer", i, "@example.com"), 1)...)
		}
		events = append(events[:4], append(f.confirmations("b", address, 1), events[4:]...)...)
		f.binding.failFor = "unknown@example.com"
		f.binding.err = errors.New("gomail: could not send email 1: 550 5.1.1 <unknown@example.com> unknown")
		require.NotContains(t, f.deliverBatch(events...), sidecar.Retry, kind)
		require.Len(t, f.mesh.Bindings(), 9)
		require.Len(t, f.deadLetters(), 1)
		require.NotContains(t, f.deadLetters()[0], "unknown@")
		require.NotContains(t, f.log.String(), "unknown@")
	}
}
