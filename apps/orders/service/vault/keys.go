package vault

import (
	"context"
	"errors"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
)

// dozen is how many guests' keys are made at once: one write, of some 5 KB.
const dozen = 64

// Asks names the documents that Contact and Invoice want to have read, together with others.
func Asks(customer string, year int) []string {
	if customer == "" {
		return []string{invoicesOf(year)}
	}
	return []string{invoicesOf(year), contactOf(customer)}
}

// Contact gives a customer's key, made if there is none; without a customer, a guest's that nobody else gets. read
// has what was read of Asks. Errors: ErrDestroyed, and the store's.
func (v *Vault) Contact(ctx context.Context, customer string, read map[string]sidecar.Item) (Key, error) {
	if customer == "" {
		return v.guest(ctx)
	}
	return v.ensure(ctx, contactOf(customer), read)
}

// Invoice gives a year's key, as Contact does.
func (v *Vault) Invoice(ctx context.Context, year int, read map[string]sidecar.Item) (Key, error) {
	return v.ensure(ctx, invoicesOf(year), read)
}

func (v *Vault) ensure(ctx context.Context, doc string, read map[string]sidecar.Item) (Key, error) {
	if item, ok := read[doc]; ok {
		return v.learn(item)
	}
	d, keys, err := v.make(doc, 1)
	if err != nil {
		return Key{}, err
	}
	err = v.write(ctx, doc, d, "")
	if err == nil {
		v.remember(doc, d)
		return keys[0], nil
	}
	if !errors.Is(err, sidecar.ErrExists) {
		return Key{}, err
	}
	item, err := v.state.Get(ctx, doc)
	if err != nil {
		return Key{}, err
	}
	return v.learn(item)
}

func (v *Vault) learn(item sidecar.Item) (Key, error) {
	d, err := decode(item)
	if err != nil {
		return Key{}, err
	}
	v.remember(item.Key, d)
	return v.open(d, item.Key, 0)
}

// guest gives the next of the keys that were made in advance. Those that a process leaves behind are nobody's.
func (v *Vault) guest(ctx context.Context) (Key, error) {
	for {
		if k, ok := v.next(); ok {
			return k, nil
		}
		_, err, _ := v.making.Do("guests", func() (any, error) { return nil, v.makeGuests(context.WithoutCancel(ctx)) })
		if err != nil {
			return Key{}, err
		}
	}
}

func (v *Vault) next() (k Key, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.guests) == 0 {
		return k, false
	}
	k, v.guests = v.guests[0], v.guests[1:]
	return k, true
}

func (v *Vault) makeGuests(ctx context.Context) error {
	doc := "guests/" + v.newID()
	d, keys, err := v.make(doc, dozen)
	if err != nil {
		return err
	}
	if err := v.write(ctx, doc, d, ""); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.guests = append(v.guests, keys...)
	return nil
}

// Keys reads keys by their names, together; those that are destroyed are absent from the answer.
func (v *Vault) Keys(ctx context.Context, names ...string) (map[string]Key, error) {
	known, old, lacks := map[string]document{}, []string(nil), false
	for _, name := range names {
		doc, _, err := splitName(name)
		if err != nil {
			return nil, err
		}
		if _, twice := known[doc]; twice {
			continue
		}
		m, _ := v.recent.GetIfPresent(doc)
		known[doc] = m.document
		if age := v.now().Sub(m.at); age > fresh {
			old, lacks = append(old, doc), lacks || age > stale
		}
	}
	if err := v.renew(ctx, old, known, lacks); err != nil {
		return nil, err
	}
	keys := map[string]Key{}
	for _, name := range names {
		doc, n, _ := splitName(name)
		k, err := v.open(known[doc], doc, n)
		switch {
		case err == nil:
			keys[name] = k
		case !errors.Is(err, ErrDestroyed):
			return nil, err
		}
	}
	return keys, nil
}

// renew reads documents anew. When the store does not answer, it does without unless some are needed.
func (v *Vault) renew(ctx context.Context, docs []string, known map[string]document, needed bool) error {
	if len(docs) == 0 {
		return nil
	}
	if !needed {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	items, err := v.state.GetMany(ctx, docs)
	if err != nil && !needed {
		telemetry.Log(ctx).Warn().Err(err).Msg("keys of a while ago are used: the store does not answer")
		return nil
	} else if err != nil {
		return err
	}
	for _, doc := range docs {
		item, ok := items[doc]
		if !ok { // of a store that was copied without it, say
			telemetry.Log(ctx).Error().Str("document", doc).Msg("keys are missing: what they sealed is lost unless they come back")
			delete(known, doc)
			continue
		}
		if known[doc], err = decode(item); err != nil {
			return err
		}
		v.remember(doc, known[doc])
	}
	return nil
}

// Export hands out the documents of keys as they are stored. They open only where the secret is the same.
func (v *Vault) Export(ctx context.Context, names []string, put func(sidecar.Item) error) error {
	var docs []string
	seen := map[string]bool{}
	for _, name := range names {
		doc, _, err := splitName(name)
		if err != nil {
			return err
		}
		if !seen[doc] {
			seen[doc], docs = true, append(docs, doc)
		}
	}
	items, err := v.state.GetMany(ctx, docs)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		if item, ok := items[doc]; ok {
			if err := put(item); err != nil {
				return err
			}
		}
	}
	return nil
}
