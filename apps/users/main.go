// Command users runs the users service: accounts, sign-in, roles, and the keys of access tokens.
package main

import (
	"haberdash/apps/users/service"
	"haberdash/internal/host"
)

func main() { host.Main("users", service.Run) }
