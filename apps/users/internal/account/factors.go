package account

import "haberdash/apps/users/internal/factor"

// Factors returns a copy of the second factors.
func (a *Account) Factors() factor.Set { return a.s.Factors.Clone() }

// ChangeFactors changes the second factors. It changes nothing if change returns an error.
func (a *Account) ChangeFactors(change func(*factor.Set) error) error {
	set := a.Factors()
	if err := change(&set); err != nil {
		return err
	}
	a.s.Factors = set
	a.s.Version++
	return nil
}

// ProvenRoles returns the roles that a session has, and those that are withheld because the account has no second
// factor or the session has not proven one. Only staff and administrators need one, if required is set (rule 8).
func (a *Account) ProvenRoles(required, proven bool) (granted, withheld []string) {
	granted, withheld = []string{}, []string{}
	for _, role := range a.s.Roles {
		if required && role != Customer && (!proven || !a.s.Factors.Any()) {
			withheld = append(withheld, role)
		} else {
			granted = append(granted, role)
		}
	}
	return granted, withheld
}
