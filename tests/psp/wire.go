package psp

// Statuses of a PaymentIntent.
const (
	requiresPaymentMethod = "requires_payment_method"
	requiresCapture       = "requires_capture"
	succeeded             = "succeeded"
	canceled              = "canceled"
)

// paymentIntent and the types below have the shapes of Stripe's objects. Members that the orders service does not use
// are left out.
type paymentIntent struct {
	ID                 string            `json:"id"`
	Object             string            `json:"object"`
	Amount             int64             `json:"amount"`
	AmountCapturable   int64             `json:"amount_capturable"`
	AmountReceived     int64             `json:"amount_received"`
	CanceledAt         *int64            `json:"canceled_at"`
	CancellationReason *string           `json:"cancellation_reason"`
	CaptureMethod      string            `json:"capture_method"`
	ClientSecret       string            `json:"client_secret"`
	Created            int64             `json:"created"`
	Currency           string            `json:"currency"`
	LastPaymentError   *apiError         `json:"last_payment_error"`
	LatestCharge       any               `json:"latest_charge"` // the id, or the charge if it is expanded
	Livemode           bool              `json:"livemode"`
	Metadata           map[string]string `json:"metadata"`
	PaymentMethodTypes []string          `json:"payment_method_types"`
	Status             string            `json:"status"`
}

type chargeObject struct {
	ID             string            `json:"id"`
	Object         string            `json:"object"`
	Amount         int64             `json:"amount"`
	AmountCaptured int64             `json:"amount_captured"`
	AmountRefunded int64             `json:"amount_refunded"`
	Captured       bool              `json:"captured"`
	Created        int64             `json:"created"`
	Currency       string            `json:"currency"`
	Livemode       bool              `json:"livemode"`
	Metadata       map[string]string `json:"metadata"`
	Paid           bool              `json:"paid"`
	PaymentIntent  string            `json:"payment_intent"`
	Refunded       bool              `json:"refunded"`
	Status         string            `json:"status"`
	Details        chargeDetails     `json:"payment_method_details"`
}

type chargeDetails struct {
	Type string     `json:"type"`
	Card cardObject `json:"card"`
}

type cardObject struct {
	Brand        string       `json:"brand"`
	Last4        string       `json:"last4"`
	Multicapture availability `json:"multicapture"`
}

type availability struct {
	Status string `json:"status"`
}

type refundObject struct {
	ID            string            `json:"id"`
	Object        string            `json:"object"`
	Amount        int64             `json:"amount"`
	Charge        string            `json:"charge"`
	Created       int64             `json:"created"`
	Currency      string            `json:"currency"`
	Metadata      map[string]string `json:"metadata"`
	PaymentIntent string            `json:"payment_intent"`
	Status        string            `json:"status"`
}

type list struct {
	Object  string `json:"object"` // "list" or "search_result"
	URL     string `json:"url"`
	HasMore bool   `json:"has_more"`
	Data    any    `json:"data"`
}

func (i *intent) wire(expandCharge bool) paymentIntent {
	w := paymentIntent{
		ID: i.ID, Object: "payment_intent",
		Amount: i.Amount, AmountCapturable: i.capturable(), AmountReceived: i.Received,
		CaptureMethod: i.CaptureMethod, ClientSecret: i.ID + "_secret", Created: i.Created, Currency: i.Currency,
		Metadata: i.Metadata, PaymentMethodTypes: []string{"card"}, Status: i.Status,
	}
	if i.Status == canceled {
		w.CanceledAt, w.CancellationReason = &i.CanceledAt, &i.Reason
		if i.Reason == "" {
			w.CancellationReason = nil
		}
	}
	if i.Decline != nil {
		w.LastPaymentError = i.Decline.wire()
	}
	switch {
	case i.Charge != nil && expandCharge:
		w.LatestCharge = i.wireCharge()
	case i.Charge != nil:
		w.LatestCharge = i.Charge.ID
	}
	return w
}

func (i *intent) wireCharge() chargeObject {
	c := i.Charge
	w := chargeObject{
		ID: c.ID, Object: "charge", Amount: i.Amount, AmountCaptured: i.Received, AmountRefunded: c.Refunded,
		Captured: c.Final && i.Received > 0, Created: c.Created, Currency: i.Currency, Metadata: i.Metadata,
		Paid: !c.Failed, PaymentIntent: i.ID, Refunded: c.Final && i.Received > 0 && c.Refunded == i.Received,
		Status: succeeded, Details: chargeDetails{"card", cardObject{"visa", "4242", availability{"unavailable"}}},
	}
	if c.Multicapture {
		w.Details.Card.Multicapture.Status = "available"
	}
	if c.Failed {
		w.Status = "failed"
	}
	return w
}

func (d *decline) wire() *apiError {
	return &apiError{Type: cardError, Code: d.Code, DeclineCode: d.DeclineCode, Message: d.Message}
}

func (r refund) wire() refundObject {
	return refundObject{
		ID: r.ID, Object: "refund", Amount: r.Amount, Charge: r.Charge, Created: r.Created, Currency: r.Currency,
		Metadata: r.Metadata, PaymentIntent: r.Intent, Status: succeeded,
	}
}
