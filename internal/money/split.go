package money

import (
	"math/big"
	"slices"
)

// divide sets parts to the shares of total by the largest remainder method. sum is the sum of the weights.
func divide(total int64, weights []int64, sum *big.Int, parts []Money) {
	type remainder struct {
		part  int
		value *big.Int
	}
	remainders := make([]remainder, len(weights))
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
		remainders[i] = remainder{i, r}
	}
	slices.SortStableFunc(remainders, func(a, b remainder) int { return b.value.Cmp(a.value) })
	for i := int64(0); i < left; i++ {
		parts[remainders[i].part].Amount++
	}
	if negative {
		for i := range parts {
			parts[i].Amount = -parts[i].Amount
		}
	}
}

// mulDivRound returns a*b/c, rounded half away from zero; c is positive.
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
