package service

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"haberdash/apps/notifications/internal/allowance"
	"haberdash/internal/sidecar"
)

// sentTTL is how long a mail is marked as sent: longer than a broker keeps its messages.
const sentTTL = 90 * 24 * time.Hour

// records are the stored records that some mails need: the marks of the mails that were sent or dropped, and the
// allowances of the mailboxes.
type records struct {
	now      time.Time
	stored   map[string]sidecar.Item
	reserved map[string]allowance.Allowance // by mailbox: what is left if all due mails are sent
	sent     []outgoing
	dropped  []outgoing // see selectDue
}

func markKey(m outgoing) string { return "mailed/" + m.FileName() }

func mailboxKey(mailbox string) string { return "mailbox/" + mailbox }

// readRecords reads the records with one call.
func (s *Service) readRecords(ctx context.Context, mails []outgoing) (*records, error) {
	r := &records{now: s.Now(), reserved: map[string]allowance.Allowance{}}
	var keys []string
	for _, m := range mails {
		keys = append(keys, markKey(m))
		if _, known := r.reserved[m.mailbox]; m.mailbox != "" && !known {
			r.reserved[m.mailbox] = allowance.Allowance{}
			keys = append(keys, mailboxKey(m.mailbox))
		}
	}
	var err error
	if r.stored, err = s.State.GetMany(ctx, keys); err != nil {
		return nil, err
	}
	for mailbox := range r.reserved {
		if r.reserved[mailbox], err = r.allowance(mailbox); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// allowance returns the allowance of a mailbox as it was read.
func (r *records) allowance(mailbox string) (a allowance.Allowance, err error) {
	if item := r.stored[mailboxKey(mailbox)]; item.Found() {
		err = sidecar.DecodeJSON(item, &a)
	}
	return a, err
}

// selectDue returns the mails that are to be sent, and notes those that their mailbox may not get any more.
func (r *records) selectDue(mails []outgoing) (due []outgoing) {
	for _, m := range mails {
		left := r.reserved[m.mailbox]
		switch {
		case r.stored[markKey(m)].Found(): // sent or dropped before
			continue
		case m.mailbox == "":
		case !left.Permits(r.now):
			r.dropped = append(r.dropped, m)
			continue
		default:
			r.reserved[m.mailbox] = left.Use(r.now)
		}
		due = append(due, m)
	}
	return due
}

// uses counts the mails that were sent, by mailbox.
func (r *records) uses() map[string]int {
	uses := map[string]int{}
	for _, m := range r.sent {
		if m.mailbox != "" {
			uses[m.mailbox]++
		}
	}
	return uses
}

// writeRecords writes what has changed with one call. If that fails, for example because another replica has sent mail
// to one of the mailboxes meanwhile, it writes the marks, and adds to each allowance as it is stored then. So replicas
// that send mail to one mailbox at the same moment may exceed its allowance once, by what they were sending.
func (s *Service) writeRecords(ctx context.Context, r *records) error {
	var marks []sidecar.Item
	for _, m := range r.sent {
		marks = append(marks, sidecar.Item{Key: markKey(m), Value: s.sentValue(false), TTL: sentTTL})
	}
	for _, m := range r.dropped {
		marks = append(marks, sidecar.Item{Key: markKey(m), Value: s.sentValue(true), TTL: sentTTL})
	}
	if len(marks) == 0 {
		return nil
	}
	items := marks[:len(marks):len(marks)]
	for mailbox, n := range r.uses() {
		a, err := r.allowance(mailbox)
		if err != nil {
			return err
		}
		a = used(a, n, r.now)
		value, err := json.Marshal(a)
		if err != nil {
			return err
		}
		key := mailboxKey(mailbox)
		items = append(items,
			sidecar.Item{Key: key, Value: value, ETag: r.stored[key].ETag, TTL: a.Life(r.now)})
	}
	if s.State.PutManyIf(ctx, items) == nil {
		return nil
	}
	failed := s.State.PutMany(ctx, marks)
	for mailbox, n := range r.uses() {
		_, err := sidecar.Update(ctx, s.State, mailboxKey(mailbox), func(a *allowance.Allowance, _ bool) (bool, error) {
			*a = used(*a, n, r.now)
			return true, nil
		}, sidecar.TTL(allowance.Mails*allowance.Every))
		failed = errors.Join(failed, err)
	}
	return failed
}

// used returns an allowance after n more mails.
func used(a allowance.Allowance, n int, now time.Time) allowance.Allowance {
	for range n {
		a = a.Use(now)
	}
	return a
}
