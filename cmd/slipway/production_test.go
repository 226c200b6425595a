package main

import (
	"encoding/json"
	"net/http"

	"github.com/rogpeppe/go-internal/testscript"
)

// serving PROJECT NAME: the variable NAME is the id of the deployment that the project's production serves.
func serving(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: serving PROJECT NAME")
	}
	req, err := http.NewRequest(http.MethodGet, ts.Getenv("SLIPWAY_VERCEL_URL")+"/v9/projects/"+args[0]+"?teamId="+ts.Getenv("VERCEL_TEAM_ID"), nil)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+ts.Getenv("VERCEL_TOKEN"))
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	var p struct {
		Targets map[string]struct{ ID string }
	}
	ts.Check(json.NewDecoder(res.Body).Decode(&p))
	ts.Setenv(args[1], p.Targets["production"].ID)
}
