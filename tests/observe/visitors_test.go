package observe

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch"
	"haberdash/tests/api"
)

// visitors use a shop as customers and staff do, until they leave. They go on if the shop does not work.
type visitors struct {
	t     *testing.T
	shop  *launch.Shop
	work  sync.WaitGroup
	leave func()
}

// pause is the time between two visits, so that the servers have a part of the processors.
const pause = 200 * time.Millisecond

func visit(t *testing.T, shop *launch.Shop) *visitors {
	t.Helper()
	v := &visitors{t: t, shop: shop}
	ctx, stop := context.WithCancel(context.Background())
	v.leave = func() {
		stop()
		v.work.Wait()
	}
	t.Cleanup(v.leave)
	for _, once := range []func(context.Context, *api.Client) error{v.buy, v.browse, v.ponder, v.register, v.bring} {
		v.work.Go(func() {
			for ctx.Err() == nil {
				_ = once(ctx, api.New(shop.GatewayURL())) // the test looks at what the servers show
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	return v
}

// buy places an order. Staff ship it, and a part of it comes back.
func (v *visitors) buy(ctx context.Context, guest *api.Client) error {
	cart, err := guest.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	if err != nil {
		return err
	}
	order, err := guest.Checkout(ctx, cart, api.Visa, api.NewKey())
	if err != nil {
		return err
	}
	staff, err := v.admin(ctx)
	if err != nil {
		return err
	}
	shipped, err := staff.Fulfil(ctx, order.ID, api.NewKey(), api.Item{SKU: sku, Quantity: 1})
	if err != nil {
		return err
	}
	if _, err := staff.Deliver(ctx, order.ID, shipped.Fulfilments[0].ID); err != nil {
		return err
	}
	back, err := guest.RequestReturn(ctx, order.ID, order.AccessToken, api.NewKey(), api.Item{SKU: sku, Quantity: 1})
	if err != nil {
		return err
	}
	_, err = staff.Receive(ctx, order.ID, back.Returns[0].ID, true)
	return err
}

// browse reads pages that no cache has, and one that it has.
func (v *visitors) browse(ctx context.Context, guest *api.Client) error {
	if _, err := guest.Products(ctx, url.Values{"q": {"hat " + strings.ToLower(api.NewKey()[:4])}}); err != nil {
		return err
	}
	_, err := guest.Products(ctx, nil)
	return err
}

// ponder looks at a cart again and again.
func (v *visitors) ponder(ctx context.Context, guest *api.Client) error {
	cart, err := guest.NewCart(ctx, api.Item{SKU: sku, Quantity: 1})
	for range 5 {
		if err == nil {
			_, err = guest.Cart(ctx, cart.ID)
		}
	}
	return err
}

// register opens an account and signs in, once with a wrong password.
func (v *visitors) register(ctx context.Context, guest *api.Client) error {
	_, user, err := guest.AsNewCustomer(ctx)
	if err != nil {
		return err
	}
	_, err = guest.Login(ctx, user.Email, "not the password")
	return err
}

// bring imports a product, as staff do when new goods arrive.
func (v *visitors) bring(ctx context.Context, _ *api.Client) error {
	staff, err := v.admin(ctx)
	if err != nil {
		return err
	}
	product := "Handle,Title,Variant SKU,Variant Inventory Qty,Variant Price\nnew-hat,New hat,NEW-HAT,5,10.00\n"
	_, err = staff.Import(ctx, "text/csv", []byte(product))
	return err
}

// adminSessions are kept, because sign-ins are expensive.
var adminSessions sync.Map // by the address of the shop

func (v *visitors) admin(ctx context.Context) (*api.Client, error) {
	if kept, ok := adminSessions.Load(v.shop.GatewayURL()); ok {
		return kept.(*api.Client), nil
	}
	admin, err := api.New(v.shop.GatewayURL()).AsAdmin(ctx)
	if err == nil {
		adminSessions.Store(v.shop.GatewayURL(), admin)
	}
	return admin, err
}

// switchFault switches a fault flag.
func (v *visitors) switchFault(app, flag, variant string) {
	v.t.Helper()
	admin, err := v.admin(v.t.Context())
	require.NoError(v.t, err)
	answer, err := admin.Do(v.t.Context(), api.Request{
		Method: http.MethodPut, Path: "/api/v1/faults/" + app + "/" + flag,
		Body: map[string]any{"variant": variant, "minutes": 30},
	})
	require.NoError(v.t, err)
	require.Equal(v.t, http.StatusOK, answer.Status, "%s", answer.Body)
}
