package verify

import (
	"time"

	"github.com/milepost-log/milepost/certs/fault"
	"github.com/milepost-log/milepost/record"
)

// OwnReach is how far back a member's own report of a compromised key may
// date it; the governors may go further.
const OwnReach = 30 * 24 * time.Hour

const compromised = "compromised"

// checkRevocation: the key is in force, or ended without anyone knowing yet
// that it was compromised, or that it was so long before; the date reaches
// back no further than it may; and a member's own report leaves it two
// administrators.
func checkRevocation(m *Member, r *record.Record, at Place, own bool) error {
	k := m.key(r.Body.Get("key_id").Str)
	reason := r.Body.Get("reason").Str
	if k == nil || k.Revoked != nil && (reason != compromised || k.Revoked.dated(r.Body.Get("since").Str)) {
		return fault.New("key_unknown", "body.key_id", m.Name+" has no such key in force")
	}
	if reason == compromised {
		since, _ := record.ParseUTC(r.Body.Get("since").Str)
		now := time.UnixMilli(at.Time)
		switch {
		case since.After(now):
			return fault.New("since", "body.since", "it lies after the log time of this record")
		case own && now.Sub(since) > OwnReach:
			return fault.New("since", "body.since", "a member's own report reaches back 30 days; further is for the governors")
		}
	}
	if !own {
		return nil
	}
	falls := map[*Key]bool{}
	for _, f := range falling(m, k, r) {
		falls[f] = true
	}
	return enoughAdministrators(m, "body.key_id", m.administrators(func(k *Key) bool { return !falls[k] }))
}

// dated reports whether a revocation says already that the key was
// compromised since that time or an earlier one. An intruder who may report
// his own keys must not be able to keep an earlier date from being told.
func (rev *Revocation) dated(since string) bool {
	return rev.Reason == compromised && rev.Since <= since // one form of UTC sorts as text
}

// falling lists the keys that a revocation ends or relabels: the key itself
// and, with a compromised administrator's key, those that it registered from
// the given time on, and those that these registered in turn.
func falling(m *Member, k *Key, r *record.Record) []*Key {
	keys := []*Key{k}
	if r.Body.Get("reason").Str != compromised {
		return keys
	}
	since, _ := record.ParseUTC(r.Body.Get("since").Str)
	by := map[string]bool{k.ID: true}
	for _, o := range m.Keys { // in the order of their registration
		if by[o.By] && o.Time >= since.UnixMilli() {
			by[o.ID] = true
			keys = append(keys, o)
		}
	}
	return keys
}

// revoke carries a revocation out. A key that had ended before stays ended
// from where it was; only what is said of it changes.
func revoke(m *Member, r *record.Record, at Place) {
	id := r.Body.Get("key_id").Str
	for _, k := range falling(m, m.key(id), r) {
		rev := &Revocation{Index: at.Index, Time: at.Time, Reason: r.Body.Get("reason").Str, Since: r.Body.Get("since").Str, By: r.Author}
		if k.ID != id {
			rev.Via = id
		}
		if old := k.Revoked; old != nil {
			if old.dated(rev.Since) {
				continue
			}
			rev.Index = old.Index
		}
		k.Revoked = rev
	}
}
