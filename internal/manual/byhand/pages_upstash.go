package byhand

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	redisConsole  = "https://console.upstash.com/redis"
	vectorConsole = "https://console.upstash.com/vector"
)

func upstashSpots() []spot {
	at := func(link string, path []string, fields []string, click func(*tab) error) spot {
		return spot{provider: "upstash", link: link, path: path, fields: fields, click: click}
	}
	out := []spot{
		at(redisConsole, []string{"Create Database"}, []string{"*Name", "*Primary Region", "Read Regions", "Plan", "Eviction", "TLS"}, (*tab).createRedis),
		at(redisConsole+"/{id}", []string{"Details", "Configuration"}, []string{"Name", "Read Regions", "Plan", "Eviction", "TLS"}, (*tab).configureRedis),
		at(redisConsole+"/{id}", []string{"Details", "Delete this database"}, nil, func(t *tab) error { return t.send("DELETE", "/redis/database/"+t.at["id"], nil) }),
		at(vectorConsole, []string{"Create Index"}, []string{"*Name", "*Region", "*Dimensions", "*Metric"}, (*tab).createVector),
		at(vectorConsole+"/{id}", []string{"Details", "Rename"}, []string{"*Name"}, func(t *tab) error {
			return t.send("POST", "/vector/index/"+t.at["id"]+"/rename", map[string]any{"name": t.fields["Name"]})
		}),
		at(vectorConsole+"/{id}", []string{"Details", "Delete this index"}, nil, func(t *tab) error { return t.send("DELETE", "/vector/index/"+t.at["id"], nil) }),
	}
	shows := func(kind, link, of, value, path string) spot {
		return spot{provider: "upstash", link: link, path: []string{of, "Details", value}, value: func(t *tab) (string, error) {
			id, err := t.store(kind)
			if err != nil {
				return "", err
			}
			reply, err := t.call("GET", "/"+kind+"/"+id, nil)
			v, there := Read(reply, path)
			if err == nil && !there {
				err = errNotThere
			}
			return v, err
		}}
	}
	for link, kind := range map[string]string{redisConsole: "redis/database", vectorConsole: "vector/index"} {
		of := map[string]string{redisConsole: "the database", vectorConsole: "the index"}[link]
		part := strings.TrimPrefix(link, "https://console.upstash.com")
		out = append(out, spot{provider: "upstash", link: link, path: []string{of, "its id, after " + part + "/ in the address"}, value: func(t *tab) (string, error) {
			return t.store(kind)
		}})
	}
	for value, path := range map[string]string{
		"HTTPS": "https://{endpoint}", "Token": "rest_token", "Readonly Token": "read_only_rest_token", "TCP": "rediss://default:{password}@{endpoint}:{port}",
		"Endpoint": "endpoint", "TCP: between : and @": "password",
	} {
		out = append(out, shows("redis/database", redisConsole, "the database", value, path))
	}
	for value, path := range map[string]string{
		"Endpoint": "https://{endpoint}", "Token": "token", "Readonly Token": "read_only_token", "Endpoint: without https://": "endpoint",
	} {
		out = append(out, shows("vector/index", vectorConsole, "the index", value, path))
	}
	return out
}

// store is the id of the one that was opened last, else of the only one.
func (t *tab) store(kind string) (string, error) {
	if id := t.p.made[kind]; id != "" {
		return id, nil
	}
	list := map[string]string{"redis/database": "/redis/databases", "vector/index": "/vector/index"}[kind]
	reply, err := t.call("GET", list, nil)
	if err != nil {
		return "", err
	}
	one, err := among(reply, "", func(map[string]any) bool { return true })
	return text(one, "database_id") + text(one, "id"), err
}

// gcp are the regions that are named as Google's: https://upstash.com/docs/devops/developer-api/redis
func gcp(region string) bool { return strings.Count(region, "-") == 1 }

func (t *tab) createRedis() error {
	region := t.fields["Primary Region"]
	body := map[string]any{"database_name": t.fields["Name"], "platform": map[bool]string{true: "gcp", false: "aws"}[gcp(region)], "primary_region": region}
	if v := t.fields["Read Regions"]; v != "" {
		body["read_regions"] = strings.Split(v, ", ")
	}
	if v := t.fields["Plan"]; v != "" {
		body["plan"] = v
	}
	for label, field := range map[string]string{"Eviction": "eviction", "TLS": "tls"} {
		if v := t.fields[label]; v != "" {
			body[field] = v == "true"
		}
	}
	reply, err := t.call("POST", "/redis/database", body)
	t.keep("redis/database", text(reply, "database_id"))
	return err
}

// configureRedis saves one setting after the other.
func (t *tab) configureRedis() error {
	id := t.at["id"]
	for _, label := range []string{"Name", "TLS", "Eviction", "Plan", "Read Regions"} {
		v, filled := t.fields[label]
		if !filled {
			continue
		}
		var err error
		switch label {
		case "Name":
			err = t.send("POST", "/redis/rename/"+id, map[string]any{"name": v})
		case "TLS":
			err = t.send("POST", "/redis/enable-tls/"+id, nil)
		case "Eviction":
			err = t.send("POST", "/redis/"+map[bool]string{true: "enable", false: "disable"}[v == "true"]+"-eviction/"+id, nil)
		case "Plan":
			err = t.send("POST", "/redis/"+id+"/change-plan", map[string]any{"plan_name": v})
		case "Read Regions":
			err = t.send("POST", "/redis/update-regions/"+id, map[string]any{"read_regions": strings.Split(v, ", ")})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tab) createVector() error {
	dimensions, err := strconv.Atoi(t.fields["Dimensions"])
	if err != nil {
		return err
	}
	reply, err := t.call("POST", "/vector/index", map[string]any{
		"name": t.fields["Name"], "region": t.fields["Region"], "similarity_function": t.fields["Metric"], "dimension_count": dimensions,
	})
	t.keep("vector/index", text(reply, "id"))
	return err
}

// marketplaceSpots are Vercel's pages of what its Marketplace sells.
func marketplaceSpots() []spot {
	stores := dashboard + "%2F%5Bteam%5D%2F~%2Fstores"
	metadata := []string{"*Resource name", "primaryRegion", "readRegions", "eviction", "region", "dimensionCount", "similarityFunction"}
	return []spot{
		{provider: "vercel", link: "https://vercel.com/marketplace/upstash", path: []string{"Install", "{product}", "Create"}, fields: metadata, click: (*tab).buy},
		{
			provider: "vercel", link: inProject + "%2Fstores", path: []string{"Storage", "{store}", "Connect Project"},
			fields: []string{"*Environments", "Custom Prefix"}, click: (*tab).connectStore,
		},
		{provider: "vercel", link: stores, path: []string{"Storage", "{store}", "Settings", "Delete"}, click: (*tab).deleteStore},
		{provider: "vercel", link: stores, path: []string{"Storage", "{store}", "Settings", "ID, store_…"}, value: (*tab).storeID},
		{
			provider: "vercel", link: stores, path: []string{"Storage", "{store}", ".env.local", "Show secret", "the one that ends in {variable}"},
			value: (*tab).storeVariable,
		},
	}
}

func (t *tab) buy() error {
	configurations, err := t.call("GET", "/v1/integrations/configurations?view=account&integrationIdOrSlug=upstash", nil)
	if err != nil {
		return err
	}
	id := text(configurations, "0.id")
	products, err := t.call("GET", "/v1/integrations/configuration/"+id+"/products", nil)
	if err != nil {
		return err
	}
	product, err := among(products, "products", func(p map[string]any) bool { return p["name"] == t.at["product"] })
	if err != nil {
		return err
	}
	metadata := map[string]any{}
	for label, v := range t.fields {
		if label == "Resource name" {
			continue
		}
		if metadata[label], err = typed(text(product, "metadataSchema.properties."+label+".type"), v); err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
	}
	return t.send("POST", "/v1/storage/stores/integration/direct", map[string]any{
		"name": t.fields["Resource name"], "integrationConfigurationId": id, "integrationProductIdOrSlug": product["slug"], "metadata": metadata,
	})
}

// typed is what an input of that type sends.
func typed(kind, v string) (any, error) {
	switch kind {
	case "boolean":
		return strconv.ParseBool(v)
	case "number":
		return strconv.ParseFloat(v, 64)
	case "array":
		return strings.Split(v, ","), nil
	case "string":
		return v, nil
	}
	return nil, errNotThere
}

func (t *tab) storeID() (string, error) {
	reply, err := t.call("GET", "/v1/storage/stores", nil)
	if err != nil {
		return "", err
	}
	one, err := among(reply, "stores", func(s map[string]any) bool { return s["name"] == t.at["store"] })
	return text(one, "id"), err
}

// connectStore: the page adds the _ to the prefix.
func (t *tab) connectStore() error {
	id, err := t.storeID()
	if err != nil {
		return err
	}
	project, err := t.projectID()
	if err != nil {
		return err
	}
	body := map[string]any{"envVarEnvironments": strings.Split(t.fields["Environments"], ", "), "projectId": project, "type": "integration"}
	if prefix := t.fields["Custom Prefix"]; prefix != "" {
		body["envVarPrefix"] = prefix + "_"
	}
	return t.send("POST", "/v1/storage/stores/"+id+"/connections", body)
}

// deleteStore disconnects it from its projects first.
func (t *tab) deleteStore() error {
	id, err := t.storeID()
	if err != nil {
		return err
	}
	if err := t.send("DELETE", "/v1/storage/stores/"+id+"/connections", nil); err != nil {
		return err
	}
	return t.send("DELETE", "/v1/storage/stores/integration/"+id, nil)
}

// storeVariable is a value that the project got from the store.
func (t *tab) storeVariable() (string, error) {
	project, err := t.projectID()
	if err != nil {
		return "", err
	}
	reply, err := t.call("GET", "/v10/projects/"+project+"/env", nil)
	if err != nil {
		return "", err
	}
	one, err := among(reply, "envs", func(e map[string]any) bool {
		key, _ := e["key"].(string)
		return strings.HasSuffix(key, "_"+t.at["variable"])
	})
	if err != nil {
		return "", err
	}
	value, err := t.call("GET", "/v1/projects/"+project+"/env/"+text(one, "id"), nil)
	return text(value, "value"), err
}
