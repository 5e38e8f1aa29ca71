package lifecycle

// Steps after which the chaos tests kill the process.
const (
	afterCapture = "orders-captured"
	afterShip    = "orders-shipped"
	afterRefund  = "orders-refunded"
	afterRestock = "orders-restocked"
)
