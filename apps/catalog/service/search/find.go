package search

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/blevesearch/bleve/v2"
	"github.com/blevesearch/bleve/v2/search/query"
)

// maxTerms is how many words of a search are used. Further words are ignored.
const maxTerms = 10

// Find scores the products, by id, that match every word of a text: the word itself or a longer one that begins with
// it. Only if no product does, words may have one or two wrong letters. A text without words matches nothing.
func (x *Index) Find(ctx context.Context, text string) (map[string]float64, error) {
	terms := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	if len(terms) == 0 {
		return map[string]float64{}, nil
	}
	defer func(began time.Time) { x.seconds.Observe(time.Since(began).Seconds()) }(time.Now())
	if err := x.CatchUp(ctx); err != nil {
		return nil, err
	}
	for _, fuzzy := range []bool{false, true} {
		hits, err := x.match(ctx, terms[:min(len(terms), maxTerms)], fuzzy)
		if err != nil || len(hits) > 0 {
			return hits, err
		}
	}
	return map[string]float64{}, nil
}

func (x *Index) match(ctx context.Context, terms []string, fuzzy bool) (map[string]float64, error) {
	var all []query.Query
	for _, term := range terms {
		all = append(all, termQuery(term, fuzzy))
	}
	count, err := x.index.DocCount()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	request := bleve.NewSearchRequestOptions(bleve.NewConjunctionQuery(all...), max(1, int(count)), 0, false)
	result, err := x.index.SearchInContext(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	hits := make(map[string]float64, len(result.Hits))
	for _, hit := range result.Hits {
		hits[hit.ID] = hit.Score
	}
	return hits, nil
}

func termQuery(term string, fuzzy bool) query.Query {
	var alternatives []query.Query
	for _, f := range fields {
		match := bleve.NewMatchQuery(term)
		match.SetField(f.name)
		match.SetBoost(f.boost * 2)
		alternatives = append(alternatives, match)
		if len(term) >= 2 {
			prefix := bleve.NewPrefixQuery(term)
			prefix.SetField(f.name)
			prefix.SetBoost(f.boost)
			alternatives = append(alternatives, prefix)
		}
		if fuzzy && len(term) >= 4 && f.name != "sku" && f.name != "description" {
			near := bleve.NewMatchQuery(term)
			near.SetField(f.name)
			near.SetFuzziness(1 + min(len(term)/5, 1)) // two exchanged letters are two changes
			near.SetPrefix(1)                          // the first letter is seldom wrong
			near.SetBoost(f.boost)
			alternatives = append(alternatives, near)
		}
	}
	return bleve.NewDisjunctionQuery(alternatives...)
}
