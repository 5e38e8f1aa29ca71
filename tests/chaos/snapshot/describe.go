package snapshot

import (
	"fmt"
	"strings"
)

// Describe describes the history of an order in the shop and at the payment provider, for the report of a violation.
func (s *Snapshot) Describe(id string) string {
	o, known := s.Orders[id]
	if !known {
		return "    the shop does not have the order\n"
	}
	lines := []string{
		fmt.Sprintf("%s %s, %s, total %d, payment %+v", o.Number, o.Email, o.Status, o.Total.Amount, o.Payment),
	}
	for _, e := range o.Events {
		lines = append(lines,
			fmt.Sprintf("%3d %s %s %s %s", e.Seq, e.At.Format("15:04:05.000"), e.Type, e.Data.ID, e.Data.For))
	}
	for _, i := range s.Ledger.Intents {
		if i.Order != id {
			continue
		}
		lines = append(lines, fmt.Sprintf("provider: %s %s reserved %d captured %d refunded %d",
			i.ID, i.Status, i.Reserved, i.Captured, i.Refunded))
		for _, m := range i.Movements {
			lines = append(lines, fmt.Sprintf("    %s %s %d", m.At.Format("15:04:05.000"), m.Kind, m.Amount))
		}
	}
	return "    " + strings.Join(lines, "\n    ") + "\n"
}
