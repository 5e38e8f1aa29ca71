// Package protection refuses requests that would harm the apps behind the gateway: malformed addresses and headers,
// callers beyond their rate limit, sign-ins beyond what the users service can hash, and requests to an app that does
// not answer or has too many in progress.
//
// The adaptive throttler, the circuit breakers and the bulkheads are failsafe-go's. The rate limits are token buckets
// of golang.org/x/time/rate, because failsafe-go's rate limiter cannot say how many requests are left.
package protection
