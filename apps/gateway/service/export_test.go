package service

// SpecialRoute is a route that differs from the default.
type SpecialRoute struct{ Pattern, App string }

// SpecialRoutes lists them.
func SpecialRoutes() (list []SpecialRoute) {
	for _, r := range special {
		list = append(list, SpecialRoute{r.pattern, r.app})
	}
	return list
}
