package service

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/apps/catalog/internal/listing"
	"haberdash/apps/catalog/internal/product"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/identity"
)

func (s *Service) mountCategories(api huma.API) {
	httpx.Register(api, public("list-categories", "/api/v1/categories", "The tree of categories", "Catalog"), s.tree)
	httpx.Register(api, public("get-category", "/api/v1/categories/{handle}", "One category", "Catalog"), s.getCategory)
	httpx.Register(api, staff("create-category", http.MethodPost, "/api/v1/categories", "Add a category", http.StatusCreated, 409), s.createCategory)
	httpx.Register(api, staff("replace-category", http.MethodPut, "/api/v1/categories/{handle}", "Rename or move a category", 0), s.replaceCategory)
	httpx.Register(api, staff("delete-category", http.MethodDelete, "/api/v1/categories/{handle}", "Remove an empty category", http.StatusNoContent, 409), s.deleteCategory)
}

type categoryBranchView struct {
	Handle       string               `json:"handle"`
	Name         string               `json:"name"`
	ProductCount int                  `json:"productCount" doc:"Active products in it or below it"`
	Children     []categoryBranchView `json:"children" nullable:"false"`
}

type treeOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Body         []categoryBranchView
}

func (s *Service) tree(context.Context, *struct{}) (*treeOutput, error) {
	out := &treeOutput{CacheControl: publicCache, Body: branches(s.listing.Tree())}
	out.ETag = `"` + digest(out.Body) + `"`
	return out, nil
}

func branches(list []listing.Branch) []categoryBranchView {
	views := make([]categoryBranchView, len(list))
	for i, b := range list {
		views[i] = categoryBranchView{b.Handle, b.Name, b.Products, branches(b.Children)}
	}
	return views
}

type categoryView struct {
	Handle string `json:"handle"`
	Name   string `json:"name"`
	Parent string `json:"parent,omitempty" doc:"Handle; missing at the top"`
}

type categoryOutput struct {
	ETag         string `header:"ETag"`
	CacheControl string `header:"Cache-Control"`
	Location     string `header:"Location"`
	Body         categoryView
}

func showCategory(c product.Category, seq uint64) *categoryOutput {
	out := &categoryOutput{CacheControl: privateCache, Body: categoryView(c)}
	out.ETag = etag(seq, out.Body)
	return out
}

type categoryInput struct {
	Handle string `path:"handle" maxLength:"255"`
}

func (s *Service) getCategory(_ context.Context, in *categoryInput) (*categoryOutput, error) {
	n, ok := s.listing.Category(in.Handle)
	if !ok {
		return nil, fault.Missing("category")
	}
	out := showCategory(n.Category, n.Seq)
	out.CacheControl = publicCache
	return out, nil
}

type createCategoryInput struct {
	Body struct {
		Handle string `json:"handle,omitempty" maxLength:"255" doc:"Made of the name if missing"`
		Name   string `json:"name" minLength:"1" maxLength:"250"`
		Parent string `json:"parent,omitempty" maxLength:"255" doc:"Handle; missing: at the top"`
	}
}

func (s *Service) createCategory(ctx context.Context, in *createCategoryInput) (*categoryOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	c, seq, err := s.catalog.CreateCategory(ctx, product.Category(in.Body))
	if err != nil {
		return nil, err
	}
	out := showCategory(c, seq)
	out.Location = "/api/v1/categories/" + c.Handle
	return out, nil
}

type replaceCategoryInput struct {
	Handle  string `path:"handle" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read; without it the change is made whatever came between"`
	Body    struct {
		Handle string `json:"handle,omitempty" maxLength:"255" doc:"Stays as it is"`
		Name   string `json:"name" minLength:"1" maxLength:"250"`
		Parent string `json:"parent,omitempty" maxLength:"255" doc:"Handle; missing: at the top"`
	}
}

// ifSent is matcher where If-Match is optional.
func ifSent(ifMatch string) func(uint64) error {
	if ifMatch == "" {
		return func(uint64) error { return nil }
	}
	return matcher(ifMatch)
}

func (s *Service) replaceCategory(ctx context.Context, in *replaceCategoryInput) (*categoryOutput, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	if in.Body.Handle != "" && in.Body.Handle != in.Handle {
		return nil, fault.BadField("body.handle", "cannot be changed")
	}
	c, seq, err := s.catalog.ReplaceCategory(ctx, product.Category{Handle: in.Handle, Name: in.Body.Name, Parent: in.Body.Parent}, ifSent(in.IfMatch))
	if err != nil {
		return nil, err
	}
	return showCategory(c, seq), nil
}

type deleteCategoryInput struct {
	Handle  string `path:"handle" maxLength:"255"`
	IfMatch string `header:"If-Match" doc:"The ETag that was read; without it the category goes whatever came between"`
}

// deleteCategory removes a category that nothing stands in: category-in-use (409, categories, products)
// otherwise.
func (s *Service) deleteCategory(ctx context.Context, in *deleteCategoryInput) (*struct{}, error) {
	if _, err := identity.Require(ctx, identity.Staff); err != nil {
		return nil, err
	}
	if below, products := s.listing.Uses(in.Handle); below+products > 0 {
		return nil, fault.New(fault.Conflict, "category-in-use", "There are still products or categories in it.").
			With("categories", below).With("products", products)
	}
	return nil, s.catalog.DeleteCategory(ctx, in.Handle, ifSent(in.IfMatch))
}
