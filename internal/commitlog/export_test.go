package commitlog

import "context"

// Poll asks each log's head once, as Run does now and then.
func (c *Consumer) Poll(ctx context.Context) { c.pollAll(ctx) }
