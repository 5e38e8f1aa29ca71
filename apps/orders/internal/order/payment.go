package order

import "haberdash/internal/money"

// Payment statuses of the public API.
const (
	PaymentNone              = "none"
	PaymentAuthorized        = "authorized"
	PaymentPartiallyCaptured = "partially-captured"
	PaymentCaptured          = "captured"
	PaymentPartiallyRefunded = "partially-refunded"
	PaymentRefunded          = "refunded"
	PaymentVoided            = "voided"
	PaymentRefused           = "declined"
)

// Payment is what the order's events say about its money, in the order's currency.
type Payment struct {
	Authorisation string      `json:"authorisation,omitempty"` // the provider's id
	Authorized    money.Money `json:"authorized"`              // what is reserved now and not captured
	Captured      money.Money `json:"captured"`
	Refunded      money.Money `json:"refunded"`
	Voided        bool        `json:"voided,omitempty"`
	Declined      bool        `json:"declined,omitempty"`
}

// Status is the payment status of the public API.
func (p Payment) Status() string {
	switch {
	case p.Declined:
		return PaymentRefused
	case p.Captured.Amount > 0 && p.Refunded == p.Captured:
		return PaymentRefunded
	case p.Refunded.Amount > 0:
		return PaymentPartiallyRefunded
	case p.Captured.Amount > 0 && p.Authorized.Amount > 0:
		return PaymentPartiallyCaptured
	case p.Captured.Amount > 0:
		return PaymentCaptured
	case p.Authorized.Amount > 0:
		return PaymentAuthorized
	case p.Voided:
		return PaymentVoided
	}
	return PaymentNone
}

// Refundable is what can be given back in addition to what received returns and pending refunds already claim.
func (o Order) Refundable() int64 {
	return o.Payment.Captured.Amount - o.Payment.Refunded.Amount - o.owed()
}

// owed is what is still to be given back.
func (o Order) owed() (sum int64) {
	for _, r := range o.Returns {
		if r.Status == Received {
			sum += r.Owed
		}
	}
	for _, r := range o.Refunds {
		if r.Status == Pending {
			sum += r.Amount
		}
	}
	return sum
}
