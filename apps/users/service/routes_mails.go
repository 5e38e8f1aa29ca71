package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/contract"
	"haberdash/internal/httpx"
)

type letterReply struct {
	CacheControl string `header:"Cache-Control"`
	Body         contract.UserLetter
}

// mountMails adds what whoever writes mails asks for, inside the mesh only.
func (s *Service) mountMails(api huma.API) {
	httpx.Register(api, huma.Operation{OperationID: "get-letter", Method: http.MethodGet, Path: "/internal/mails/{id}", Tags: []string{"Internal"},
		Summary: "What a mail to a user needs"}, func(ctx context.Context, in *IDInput) (*letterReply, error) {
		letter, err := s.letter(ctx, in.ID)
		return &letterReply{CacheControl: "no-store", Body: letter}, err
	})
}
