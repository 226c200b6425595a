package upstashemu

import (
	"encoding/base64"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-dev/slipway/internal/emulator/emukit"
)

type index struct {
	id, name, slug   string
	email            string
	region           string
	similarity       string
	dimension        int
	plan             string
	model            string
	sparseModel      string
	kind             string // DENSE, SPARSE, HYBRID
	token, readToken string
	created, active  time.Time
	birth            emukit.Birth
	vectors          vectors
}

type indexBody struct {
	CustomerID           string `json:"customer_id"`
	ID                   string `json:"id"`
	Name                 string `json:"name"`
	SimilarityFunction   string `json:"similarity_function"`
	DimensionCount       int    `json:"dimension_count"`
	EmbeddingModel       string `json:"embedding_model,omitempty"`
	SparseEmbeddingModel string `json:"sparse_embedding_model,omitempty"`
	Endpoint             string `json:"endpoint"`
	Token                string `json:"token"`
	ReadOnlyToken        string `json:"read_only_token"`
	Type                 string `json:"type"`
	Region               string `json:"region"`
	MaxVectorCount       int64  `json:"max_vector_count"`
	MaxDailyUpdates      int64  `json:"max_daily_updates"`
	MaxDailyQueries      int64  `json:"max_daily_queries"`
	MaxMonthlyBandwidth  int64  `json:"max_monthly_bandwidth"`
	MaxWritesPerSecond   int64  `json:"max_writes_per_second"`
	MaxQueryPerSecond    int64  `json:"max_query_per_second"`
	MaxReadsPerRequest   int64  `json:"max_reads_per_request"`
	MaxWritesPerRequest  int64  `json:"max_writes_per_request"`
	MaxTotalMetadataSize int64  `json:"max_total_metadata_size"`
	ReservedPrice        int64  `json:"reserved_price"`
	CreationTime         int64  `json:"creation_time"`
	IndexType            string `json:"index_type"`
}

func (s *Server) indexBody(x *index) indexBody {
	return indexBody{
		CustomerID: x.email, ID: x.id, Name: x.name, SimilarityFunction: x.similarity, DimensionCount: x.dimension,
		EmbeddingModel: x.model, SparseEmbeddingModel: x.sparseModel, Endpoint: s.endpoint(x.slug), Token: x.token,
		ReadOnlyToken: x.readToken, Type: x.plan, Region: x.region, MaxVectorCount: 2e8 / int64(max(x.dimension, 1)),
		MaxDailyUpdates: 10000, MaxDailyQueries: 10000, MaxMonthlyBandwidth: -1, MaxWritesPerSecond: 1000,
		MaxQueryPerSecond: 1000, MaxReadsPerRequest: maxPerRequest, MaxWritesPerRequest: maxPerRequest,
		MaxTotalMetadataSize: 50 << 30, CreationTime: x.created.Unix(), IndexType: x.kind,
	}
}

func (x *index) ready(now time.Time) bool { return !now.Before(x.active) }

// vectorRegions maps a region to what stands for it in a host.
var vectorRegions = map[string]string{"eu-west-1": "eu1", "us-east-1": "us1", "us-central1": "gcp-usc1"}

// models maps a dense embedding model to its dimension: https://upstash.com/docs/vector/features/embeddingmodels
var models = map[string]int{"BGE_SMALL_EN_V1_5": 384, "BGE_BASE_EN_V1_5": 768, "BGE_LARGE_EN_V1_5": 1024, "BGE_M3": 1024}

func (s *Server) listIndices(q *request) (any, *failure) {
	out := []indexBody{}
	for _, x := range s.order.indexes {
		if x.email == q.email && s.Listed(&x.birth) {
			out = append(out, s.indexBody(x))
		}
	}
	return out, nil
}

// ownIndex returns the account's index in the path: anyone else's is 404.
func (s *Server) ownIndex(q *request) (*index, *failure) {
	id := q.PathValue("id")
	if id == "stats" {
		return nil, fail(http.StatusNotImplemented, "the emulator does not model GET /v2/vector/index/stats")
	}
	x, ok := s.indexes[id]
	if !ok || x.email != q.email {
		return nil, fail(http.StatusNotFound, "Index not found")
	}
	return x, nil
}

func (s *Server) getIndex(q *request) (any, *failure) {
	x, f := s.ownIndex(q)
	if f != nil {
		return nil, f
	}
	return s.indexBody(x), nil
}

type indexCreate struct {
	Name                 string `json:"name"`
	Region               string `json:"region"`
	SimilarityFunction   string `json:"similarity_function"`
	DimensionCount       int    `json:"dimension_count"`
	Type                 string `json:"type"`
	EmbeddingModel       string `json:"embedding_model"`
	IndexType            string `json:"index_type"`
	SparseEmbeddingModel string `json:"sparse_embedding_model"`
}

// maxDimension: https://upstash.com/docs/vector/overall/pricing
const maxDimension = 5000

func (c *indexCreate) check() *failure {
	if f := checkName(c.Name); f != nil {
		return f
	}
	if c.IndexType == "" {
		c.IndexType = "DENSE"
	}
	dimension, known := models[c.EmbeddingModel]
	dense := c.IndexType != "SPARSE"
	if dense && known && c.DimensionCount == 0 {
		c.DimensionCount = dimension
	}
	switch {
	case vectorRegions[c.Region] == "":
		return fail(http.StatusBadRequest, "invalid region: %q", c.Region)
	case !slices.Contains([]string{"COSINE", "EUCLIDEAN", "DOT_PRODUCT"}, c.SimilarityFunction) && (dense || c.SimilarityFunction != ""):
		return fail(http.StatusBadRequest, "invalid similarity_function: %q", c.SimilarityFunction)
	case !slices.Contains([]string{"DENSE", "SPARSE", "HYBRID"}, c.IndexType):
		return fail(http.StatusBadRequest, "invalid index_type: %q", c.IndexType)
	case !slices.Contains([]string{"", "free", "payg", "fixed", "paid"}, c.Type):
		return fail(http.StatusBadRequest, "invalid type: %q", c.Type)
	case c.EmbeddingModel != "" && !known:
		return fail(http.StatusBadRequest, "invalid embedding_model: %q", c.EmbeddingModel)
	case !slices.Contains([]string{"", "BM25", "BGE_M3"}, c.SparseEmbeddingModel):
		return fail(http.StatusBadRequest, "invalid sparse_embedding_model: %q", c.SparseEmbeddingModel)
	case dense && (c.DimensionCount < 1 || c.DimensionCount > maxDimension):
		return fail(http.StatusBadRequest, "invalid dimension_count: from 1 to %d", maxDimension)
	case dense && known && c.DimensionCount != dimension:
		return fail(http.StatusBadRequest, "invalid dimension_count: %s has %d", c.EmbeddingModel, dimension) // [? upstash-model-dimension]
	}
	return nil
}

// createIndex makes an index, usable after CreateTime. Names may repeat.
func (s *Server) createIndex(q *request) (any, *failure) {
	var in indexCreate
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	if f := in.check(); f != nil {
		return nil, f
	}
	rules, f := s.creation(q, s.MaxIndexes)
	if f != nil {
		return nil, f
	}
	mine := 0
	for _, x := range s.indexes {
		if x.email != q.email {
			continue
		}
		if mine++; rules.unique && x.name == in.Name {
			return nil, fail(http.StatusConflict, "Index name already exists")
		}
	}
	if rules.most > 0 && mine >= rules.most {
		return nil, fail(http.StatusBadRequest, "max index limit of %d reached", rules.most)
	}
	plan := map[string]string{"": "free", "paid": "payg"}[in.Type] // what a reply shows for these [? upstash-index-type] [? upstash-index-type-paid]
	if plan == "" {
		plan = in.Type
	}
	x := &index{
		id: s.RandomUUID(), name: in.Name, slug: s.newSlug("-" + vectorRegions[in.Region] + "-vector"), email: q.email,
		region: in.Region, similarity: in.SimilarityFunction, dimension: in.DimensionCount, plan: plan, model: in.EmbeddingModel,
		sparseModel: in.SparseEmbeddingModel, kind: in.IndexType, created: q.now, active: q.now.Add(rules.takes), birth: s.Born(),
	}
	s.newTokens(x)
	s.indexes[x.id], s.stores[x.slug] = x, x
	s.order.indexes = append(s.order.indexes, x)
	return s.indexBody(x), nil
}

func (s *Server) newTokens(x *index) {
	token := func(role string) string {
		return base64.StdEncoding.EncodeToString([]byte(role + x.slug + s.RandomString(30, emukit.Alnum)))
	}
	x.token, x.readToken = token("ABFF"), token("ABIF")
}

func (s *Server) deleteIndex(q *request) (any, *failure) {
	x, f := s.ownIndex(q)
	if f != nil {
		return nil, f
	}
	delete(s.indexes, x.id)
	delete(s.stores, x.slug)
	s.order.indexes = slices.DeleteFunc(s.order.indexes, func(o *index) bool { return o == x })
	return "OK", nil
}

func (s *Server) renameIndex(q *request) (any, *failure) {
	var in struct {
		Name string `json:"name"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	x, f := s.ownIndex(q)
	if f != nil {
		return nil, f
	}
	if f := checkName(in.Name); f != nil {
		return nil, f
	}
	x.name = in.Name
	return "OK", nil
}

// resetIndexPasswords answers "OK": the new tokens are in the next read.
func (s *Server) resetIndexPasswords(q *request) (any, *failure) {
	x, f := s.ownIndex(q)
	if f != nil {
		return nil, f
	}
	s.newTokens(x)
	return "OK", nil
}

func (s *Server) setIndexPlan(q *request) (any, *failure) {
	var in struct {
		Plan string `json:"target_plan"`
	}
	if f := q.decode(&in); f != nil {
		return nil, f
	}
	x, f := s.ownIndex(q)
	if f != nil {
		return nil, f
	}
	if !slices.Contains([]string{"free", "payg", "fixed"}, in.Plan) {
		return nil, fail(http.StatusBadRequest, "invalid target_plan: %q", in.Plan)
	}
	x.plan = in.Plan
	return "OK", nil
}
