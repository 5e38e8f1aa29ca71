package money

import (
	"math/big"
	"sort"
)

// shareOut fills parts with the largest-remainder shares of total.
func shareOut(total int64, weights []int64, sum *big.Int, parts []Money) {
	type rest struct {
		i int
		r *big.Int
	}
	rests := make([]rest, len(weights))
	left := total
	amount, negative := big.NewInt(total), total < 0
	if negative {
		amount.Neg(amount)
		left = -left
	}
	for i, w := range weights {
		q, r := new(big.Int).QuoRem(new(big.Int).Mul(amount, big.NewInt(w)), sum, new(big.Int))
		parts[i].Amount = q.Int64()
		left -= parts[i].Amount
		rests[i] = rest{i, r}
	}
	sort.SliceStable(rests, func(a, b int) bool { return rests[a].r.Cmp(rests[b].r) > 0 })
	for i := int64(0); i < left; i++ {
		parts[rests[i].i].Amount++
	}
	if negative {
		for i := range parts {
			parts[i].Amount = -parts[i].Amount
		}
	}
}

// mulDivRound is a*b/c, rounded half away from zero; c is positive.
func mulDivRound(a, b, c int64) int64 {
	p := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	neg := p.Sign() < 0
	p.Abs(p)
	p.Mul(p, big.NewInt(2)).Add(p, big.NewInt(c)).Quo(p, big.NewInt(2*c))
	if neg {
		p.Neg(p)
	}
	return p.Int64()
}
