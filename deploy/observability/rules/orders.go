package rules

// orders are the alerts about what customers do: orders, payments, mails.
func orders() Group {
	const oldest = `orders_undecided_oldest_seconds{app="orders",instance="a"}`
	return Group{Name: "orders", Alerts: []Alert{
		{
			// The workflow decides an order after ten seconds (ORDER_DEADLINE), if the payment provider answers.
			Name: "OrdersUndecidedTooLong", Severity: Ticket, For: "1m",
			Expr:    "max by (app) (orders_undecided_oldest_seconds) > 120",
			Summary: "An order has been neither confirmed nor rejected for two minutes.",
			Fault:   []Series{{oldest, "0+60x20"}}, Healthy: []Series{{oldest, "0 10 20 5x20"}},
			At: "10m", Labels: Labels{"app": "orders"},
		},
		{
			// After a quarter of an hour (ORDER_GIVE_UP) the workflow decides without the payment provider.
			Name: "OrdersStuck", Severity: Page, For: "1m",
			Expr:    "max by (app) (orders_undecided_oldest_seconds) > 1200",
			Summary: "An order is not decided, although the shop must have given up waiting for the payment provider.",
			Fault:   []Series{{oldest, "0+60x40"}}, Healthy: []Series{{oldest, "0+60x14 0x30"}},
			At: "35m", Labels: Labels{"app": "orders"},
		},
		{
			Name: "LifecyclesSetAside", Severity: Ticket,
			Expr:    "max by (app) (lifecycles_set_aside) > 0",
			Summary: "The workflow engine refuses the lifecycle of an order, so nothing happens to it by itself.",
			Fault:   []Series{{`lifecycles_set_aside{app="orders",instance="a"}`, "1x10"}},
			Healthy: []Series{{`lifecycles_set_aside{app="orders",instance="a"}`, "0x10"}},
			At:      "5m", Labels: Labels{"app": "orders"},
		},
		{
			Name: "PaymentsFail", Severity: Page, For: "3m",
			Expr: `sum by (provider) (rate(payments_total{outcome=~"failed|unknown"}[5m])) / ` +
				`sum by (provider) (rate(payments_total[5m])) > 0.1`,
			Summary: "One of ten requests to the payment provider {{ $labels.provider }} fails.",
			Fault:   payments("0+5x20"), Healthy: payments("0x20"), At: "10m", Labels: Labels{"provider": "sandbox"},
		},
		{
			Name: "PaymentsSlow", Severity: Ticket, For: "3m",
			Expr: "histogram_quantile(0.95, sum by (provider, le) (rate(payment_duration_seconds_bucket[5m]))) > 2",
			Summary: "The payment provider {{ $labels.provider }} answers slowly, so customers wait, and orders are " +
				"decided later.",
			Fault: paymentTimes("0+1x20"), Healthy: paymentTimes("0+10x20"), At: "10m",
			Labels: Labels{"provider": "sandbox"},
		},
		{
			Name: "MailsFail", Severity: Ticket, For: "5m",
			Expr:    `sum by (app) (increase(mails_total{outcome="failed"}[10m])) > 3`,
			Summary: "The mail server does not take mails.",
			Fault:   []Series{{failedMails, "0+2x20"}}, Healthy: []Series{{failedMails, "0 0 1x20"}},
			At: "15m", Labels: Labels{"app": "notifications"},
		},
		{
			Name: "MailsDropped", Severity: Ticket,
			Expr:    "sum by (app) (increase(mails_dropped_total[1h])) > 0",
			Summary: "Mails are dropped because their mailbox has got too many: somebody may misuse the shop to send mail.",
			Fault:   []Series{{`mails_dropped_total{app="notifications",instance="a"}`, "0 0 0 1 2 3x10"}},
			Healthy: []Series{{`mails_dropped_total{app="notifications",instance="a"}`, "3x15"}},
			At:      "10m", Labels: Labels{"app": "notifications"},
		},
		{
			Name: "ShopFull", Severity: Ticket, For: "3m",
			Expr: `sum by (app) (rate(requests_refused_total{reason=~"places|breaker|throttler"}[5m])) / ` +
				`sum by (app) (rate(http_request_duration_seconds_count{app="gateway"}[5m])) > 0.01`,
			Summary: "The gateway refuses requests because the shop is full or an app does not answer.",
			Fault:   refusals("0+6x20"), Healthy: refusals("0x20"), At: "10m", Labels: Labels{"app": "gateway"},
		},
	}}
}

const failedMails = `mails_total{app="notifications",instance="a",kind="order-confirmed",outcome="failed"}`

func payments(failed string) []Series {
	series := `payments_total{app="orders",instance="a",provider="sandbox",operation="authorise",outcome=`
	return []Series{{series + `"succeeded"}`, "0+20x20"}, {series + `"failed"}`, failed}}
}

// paymentTimes are ten payments a minute, of which some take less than two seconds.
func paymentTimes(quick string) []Series {
	series := `payment_duration_seconds_bucket{app="orders",instance="a",provider="sandbox",operation="authorise",le=`
	return []Series{{series + `"0.1"}`, quick}, {series + `"2.5"}`, quick}, {series + `"5"}`, "0+10x20"},
		{series + `"+Inf"}`, "0+10x20"}}
}

func refusals(values string) []Series {
	return []Series{{`requests_refused_total{app="gateway",instance="a",reason="places"}`, values},
		{count("/api/v1/products", "GET", "200"), "0+100x20"}}
}
