package vault

import (
	"context"
	"encoding/json"
	"errors"

	"haberdash/internal/sidecar"
	"haberdash/internal/telemetry"
	"haberdash/internal/telemetry/field"
)

// guestBatch is how many guest keys are made at once, with one write of some 5 KB.
const guestBatch = 64

// DocumentsFor names the documents that ContactKey and InvoiceKey need. A caller may read them together with other keys
// of the store.
func DocumentsFor(customer string, year int) []string {
	if customer == "" {
		return []string{invoiceDocument(year)}
	}
	return []string{invoiceDocument(year), contactDocument(customer)}
}

// ContactKey returns a customer's key, and makes it if there is none. Without a customer it returns a guest's key, each
// time another. read has what was read of DocumentsFor. Errors: ErrDestroyed, and the store's.
func (v *Vault) ContactKey(ctx context.Context, customer string, read map[string]sidecar.Item) (Key, error) {
	if customer == "" {
		return v.guestKey(ctx)
	}
	return v.ensureKey(ctx, contactDocument(customer), read)
}

// InvoiceKey returns a year's key, as ContactKey does.
func (v *Vault) InvoiceKey(ctx context.Context, year int, read map[string]sidecar.Item) (Key, error) {
	return v.ensureKey(ctx, invoiceDocument(year), read)
}

// ensureKey returns the only key of a document. A document that was read before costs no call, another one a write, and
// a read too if it exists.
func (v *Vault) ensureKey(ctx context.Context, name string, read map[string]sidecar.Item) (Key, error) {
	var d document
	if item, ok := read[name]; ok {
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return Key{}, err
		}
	} else {
		generated, _, err := v.generate(name, 1)
		if err != nil {
			return Key{}, err
		}
		d, err = sidecar.UpdateNew(ctx, v.state, name, func(d *document, found bool) (write bool, err error) {
			if found {
				return false, nil
			}
			*d = generated
			return true, nil
		})
		if err != nil {
			return Key{}, err
		}
	}
	v.store(name, d)
	return v.open(name, d, 0)
}

// guestKey returns the next of the keys that were made in advance. The keys that a process has not used when it ends
// are never used.
func (v *Vault) guestKey(ctx context.Context) (Key, error) {
	for {
		if key, ok := v.nextGuestKey(); ok {
			return key, nil
		}
		_, err, _ := v.making.Do("guests", func() (any, error) { return nil, v.makeGuestKeys(context.WithoutCancel(ctx)) })
		if err != nil {
			return Key{}, err
		}
	}
}

func (v *Vault) nextGuestKey() (key Key, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.guestKeys) == 0 {
		return key, false
	}
	key, v.guestKeys = v.guestKeys[0], v.guestKeys[1:]
	return key, true
}

func (v *Vault) makeGuestKeys(ctx context.Context) error {
	name := "guests/" + v.newID()
	d, keys, err := v.generate(name, guestBatch)
	if err != nil {
		return err
	}
	value, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if err := v.state.Create(ctx, name, value); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.guestKeys = append(v.guestKeys, keys...)
	return nil
}

// Keys reads keys by their names, together. A destroyed key is not in the answer.
func (v *Vault) Keys(ctx context.Context, keyNames ...string) (map[string]Key, error) {
	documents, err := v.documents(ctx, keyNames)
	if err != nil {
		return nil, err
	}
	keys := map[string]Key{}
	for _, keyName := range keyNames {
		name, n, _ := splitKeyName(keyName)
		key, err := v.open(name, documents[name], n)
		switch {
		case err == nil:
			keys[keyName] = key
		case !errors.Is(err, ErrDestroyed):
			return nil, err
		}
	}
	return keys, nil
}

// documents returns the documents of keys, from the cache as rule 5 says, and otherwise from the store.
func (v *Vault) documents(ctx context.Context, keyNames []string) (map[string]document, error) {
	documents, old, unusable := map[string]document{}, []string(nil), false
	for _, keyName := range keyNames {
		name, _, err := splitKeyName(keyName)
		if err != nil {
			return nil, err
		}
		if _, seen := documents[name]; seen {
			continue
		}
		c, _ := v.cache.GetIfPresent(name)
		documents[name] = c.document
		if age := v.now().Sub(c.at); age > freshFor {
			old, unusable = append(old, name), unusable || age > usableFor
		}
	}
	return documents, v.readAgain(ctx, old, documents, unusable)
}

// readAgain reads documents from the store. Unless they are required, it leaves them as they are when the store does
// not answer.
func (v *Vault) readAgain(ctx context.Context, names []string, documents map[string]document, required bool) error {
	if len(names) == 0 {
		return nil
	}
	if !required {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, readTimeout)
		defer cancel()
	}
	items, err := v.state.GetMany(ctx, names)
	if err != nil && !required {
		telemetry.Log(ctx).Warn().Err(err).Msg("the store does not answer: keys are used that were read before")
		return nil
	} else if err != nil {
		return err
	}
	for _, name := range names {
		item, ok := items[name]
		if !ok { // for example in a copy of the store that lacks the document
			telemetry.Log(ctx).Error().Str(field.Document, name).
				Msg("keys are missing: what they sealed is lost unless the keys are restored")
			delete(documents, name)
			continue
		}
		var d document
		if err := sidecar.DecodeJSON(item, &d); err != nil {
			return err
		}
		documents[name] = d
		v.store(name, d)
	}
	return nil
}

// Export passes the stored documents of keys to put. They can be opened only with the same secret.
func (v *Vault) Export(ctx context.Context, keyNames []string, put func(sidecar.Item) error) error {
	var names []string
	seen := map[string]bool{}
	for _, keyName := range keyNames {
		name, _, err := splitKeyName(keyName)
		if err != nil {
			return err
		}
		if !seen[name] {
			seen[name], names = true, append(names, name)
		}
	}
	items, err := v.state.GetMany(ctx, names)
	if err != nil {
		return err
	}
	for _, name := range names {
		if item, ok := items[name]; ok {
			if err := put(item); err != nil {
				return err
			}
		}
	}
	return nil
}
