package consumer

import "context"

// Poll polls each log once, as Run does every PollEvery.
func (c *Consumer) Poll(ctx context.Context) { c.pollAll(ctx) }

// StoreCursors stores the cursors that have moved, as Run does every StoreEvery.
func (c *Consumer) StoreCursors(ctx context.Context) { c.storeCursors(ctx, 0) }
