package emulator

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// quirks are the behaviours of the real APIs that a client has to live with, each with the test that has the emulator
// behave so: PACKAGE.TEST, and the row of a table after a slash.
var quirks = map[string]map[string]string{
	"Vercel": {
		"an error is {error:{code,message,...}}":                                           "vercelemu.TestErrorEnvelopes",
		"a missing token is 401, a wrong one 403":                                          "vercelemu.TestErrorEnvelopes/wrong token",
		"what another team has is 404":                                                     "vercelemu.TestErrorEnvelopes/foreign project",
		"429 is rate_limited with limit and Retry-After, for each endpoint by itself":      "vercelemu.TestRateLimitsAreTheDocumentedOnes",
		"Retry-After is seconds or an HTTP date":                                           "vercelemu.TestRetryAfterCanBeADate",
		"a plan's deployments of a day have an end":                                        "vercelemu.TestThePlansDeploymentsADayAre402",
		"a project's name has up to 100 characters":                                        "vercelemu.TestAProjectNameIsUpTo100LowerCaseCharacters",
		"a taken name is 409":                                                              "vercelemu.TestErrorEnvelopes/name taken",
		"two accounts may use one name":                                                    "vercelemu.TestTwoAccountsMayUseOneNameButNotOneHost",
		"no right to create is 403 with action and resource":                               "vercelemu.TestErrorEnvelopes/read only",
		"too_many_projects":                                                                "vercelemu.TestErrorEnvelopes/too many",
		"a create takes environmentVariables":                                              "vercelemu.TestAProjectsCreateTakesItsVariables",
		"gitRepository is create-only":                                                     "vercelemu.TestErrorEnvelopes/git in patch",
		"a project's delete is 204 and takes all with it":                                  "vercelemu.TestDeletingAProjectTakesItsDeploymentsAndHosts",
		"a lost reply leaves the project made":                                             "vercelemu.TestALostReplyLeavesOneProject",
		"a created project can show late in lists":                                         "vercelemu.TestACreatedProjectCanShowLateInLists",
		"a link is refused as repo_not_found and in ways that only a person can mend":      "vercelemu.TestALinkIsRefusedInTheWaysThatOnlyAPersonCanMend",
		"created is an object or an array":                                                 "vercelemu.TestCreatedIsAnObjectForOneVariableAndAnArrayForSeveral",
		"201 with failed is a partial failure":                                             "vercelemu.TestPartialFailureIs201",
		"upsert overwrites equal targets only":                                             "vercelemu.TestUpsertOverwritesEqualTargetsAndRefusesOverlappingOnes",
		"a variable has one of five types":                                                 "vercelemu.TestAVariableHasOneOfFiveTypes",
		"target or customEnvironmentIds is required":                                       "vercelemu.TestErrorEnvelopes/env no target",
		"gitBranch goes with preview only":                                                 "vercelemu.TestAGitBranchGoesWithPreviewOnly",
		"a comment has up to 500 characters":                                               "vercelemu.TestErrorEnvelopes/env comment",
		"a conflict of variables is 400, 403 or 409 with one of three codes":               "vercelemu.TestEnvConflictComesInThreeShapes",
		"400 can be an ongoing update":                                                     "vercelemu.TestAnOngoingUpdateOfTheEnvIsA400ThatPasses",
		"a sensitive value cannot be read back":                                            "vercelemu.TestSensitiveValuesAreNeverReadable",
		"a sensitive value is not for development":                                         "vercelemu.TestErrorEnvelopes/env sensitive",
		"an encrypted value is ciphertext in lists":                                        "vercelemu.TestEncryptedValuesAreDecryptedOnlySingly",
		"a changed variable applies to the next deployment":                                "vercelemu.TestADeploymentKeepsTheEnvItWasBuiltWith",
		"an upload names its SHA-1, and is 200 when it is there already":                   "vercelemu.TestUploadChecksItsDigest",
		"files that are not there are 400 missing_files":                                   "vercelemu.TestErrorEnvelopes/missing files",
		"the first deployment needs projectSettings or skipAutoDetectionConfirmation":      "vercelemu.TestTheFirstDeploymentNeedsSettingsUnlessDetectionIsSkipped",
		"gitSource names a repository by id or by name, sha optional":                      "vercelemu.TestAGitSourceIsBuiltFromTheRepository",
		"autoAssignCustomDomains:false stages one deployment, which a promote moves later": "vercelemu.TestABodyCanStageOneDeploymentWhichIsPromotedLater",
		"the project's setting stages all":                                                 "vercelemu.TestTheProjectSettingStagesEveryDeployment",
		"target is never preview":                                                          "vercelemu.TestErrorEnvelopes/preview target",
		"staging and preview take no production domain":                                    "vercelemu.TestStagingAndPreviewTakeNoProductionDomain",
		"customEnvironmentSlugOrId names another environment":                              "vercelemu.TestACustomEnvironmentHasItsOwnVariablesAndDomains",
		"the state is called state in lists and status in a single read":                   "vercelemu.TestTheStateIsCalledStateInListsAndStatusInASingleRead",
		"READY is not live":                                                                "vercelemu.TestStatesPassByTheClockAndReadyIsNotLive",
		"a failed build is ERROR and says why":                                             "vercelemu.TestAFailedBuildEndsInErrorAndSaysWhy",
		"builds can end out of order":                                                      "vercelemu.TestBuildsFinishOutOfOrder",
		"a failed check keeps the aliases away for good":                                   "vercelemu.TestABlockingCheckHoldsTheAliasesBack",
		"a deployment's create has no idempotency key, and is found by meta":               "vercelemu.TestACreateOfADeploymentHasNoIdempotencyKey",
		"events resume with since":                                                         "vercelemu.TestEventsResumeWithSince",
		"a cancel ends the stream of events":                                               "vercelemu.TestACancelEndsTheBuildAndItsEventStream",
		"a promotion is asynchronous, pending, in-progress and succeeded":                  "vercelemu.TestABodyCanStageOneDeploymentWhichIsPromotedLater",
		"a promotion can fail after it has moved some aliases":                             "vercelemu.TestPromotionCanMoveSomeAliasesAndFail",
		"a promotion of what is not READY is 409":                                          "vercelemu.TestErrorEnvelopes/promote building",
		"a promotion of what serves is 409":                                                "vercelemu.TestErrorEnvelopes/promote live",
		"a promotion is queued behind a rolling release with 202":                          "vercelemu.TestAPromoteQueuesBehindARollingRelease",
		"what is rolled out is ROLLING":                                                    "vercelemu.TestAPromoteQueuesBehindARollingRelease",
		"a preview cannot be promoted":                                                     "vercelemu.TestErrorEnvelopes/promote preview",
		"a rollback serves the old build with its own variables":                           "vercelemu.TestRollbackServesTheOldBuildWithItsOwnEnv",
		"the CLI rolls back at another version":                                            "vercelemu.TestTheCLIRollsBackAtAnotherVersion",
		"after a rollback nothing new takes production by itself":                          "vercelemu.TestARollbackEndsAutomaticAssignmentUntilAPromote",
		"a domain is verified by its TXT record, which is not its DNS":                     "vercelemu.TestADomainIsVerifiedByItsRecordAndConfiguredByItsDNS",
		"a domain of another project is 409":                                               "vercelemu.TestErrorEnvelopes/domain taken",
		"a domain of another account is 409 that does not tell whose":                      "vercelemu.TestADomainOfAnotherAccountIsAConflict",
		"projects come in pages by from":                                                   "vercelemu.TestListsComeInPagesAndFiltered",
		"deployments come in pages by until":                                               "vercelemu.TestDeploymentsComeInPagesByUntil",
		"a webhook's secret is in its create only":                                         "vercelemu.TestAWebhookSecretIsInItsCreateOnly",
		"x-vercel-signature is the HMAC-SHA1 of the raw body":                              "vercelemu.TestWebhooksTellEveryEventSignedInItsTime",
		"staged URLs are behind protection":                                                "vercelemu.TestDeploymentProtection",
		"the CLI's own operations":                                                         "clienttest.TestVercelCLI",
	},
	"Vercel Sandbox": {
		"a JWT names team and project":                                "vercelemu.TestOIDCTokenNamesTeamAndProjectItself",
		"a token needs team and project":                              "vercelemu.TestSandboxErrorEnvelopes/no team",
		"with a runtime it is made by v2":                             "vercelemu.TestASandboxWithARuntimeIsMadeByV2",
		"a stream has a command, lines, and the command at its end":   "vercelemu.TestCommandsReallyRunIsolated",
		"each line of a stream has its form":                          "vercelemu.TestEachLineOfASandboxStreamIsJudged",
		"a line of stream error aborts":                               "vercelemu.TestStopEndsCommandsAndRemovesFolders",
		"a write is a tar.gz with x-cwd":                              "vercelemu.TestArchivesThatLeadOutAreRefused",
		"a read of what is not there is 404":                          "vercelemu.TestSandboxErrorEnvelopes/absent file",
		"extend-timeout adds to what is left":                         "vercelemu.TestTimeoutStopsAndExtensionDefersIt",
		"what stopped is 410":                                         "vercelemu.TestSandboxErrorEnvelopes/run when stopped",
		"what stops is 422":                                           "vercelemu.TestStoppingIs422",
		"it lives 45 minutes at most":                                 "vercelemu.TestASandboxLives45MinutesAtMost",
		"a network policy is a mode or rules, and hides its secrets":  "vercelemu.TestNetworkPolicyIsShownWithoutItsSecrets",
		"snapshots answer 501 here":                                   "vercelemu.TestSandboxErrorEnvelopes/snapshot",
		"a persistent one keeps its files":                            "vercelemu.TestPersistentSandboxKeepsItsFiles",
		"the vendor's client takes every reply, which it checks well": "clienttest.TestVercelSandbox",
	},
	"Neon": {
		"a create gives passwords, roles, databases, operations, branch and endpoint": "neonemu.TestCreateGivesPasswordsRolesDatabasesOperationsBranchAndEndpoint",
		"a personal key needs org_id":                                 "neonemu.TestErrorShapes/org_id create",
		"names are not unique":                                        "neonemu.TestNamesAreNotUnique",
		"search is a partial match":                                   "neonemu.TestSearchIsAPartialMatch",
		"423 while operations run":                                    "neonemu.TestRunningOperationsLockTheProject",
		"operations pass through scheduling and running":              "neonemu.TestOperationsPassThroughSchedulingAndRunning",
		"an operation can fail":                                       "neonemu.TestAFailedOperationLeavesNothingUsable",
		"a branch is not usable before its operations finished":       "neonemu.TestABranchIsInitUntilItsOperationsFinished",
		"connection_uri needs database_name and role_name":            "neonemu.TestErrorShapes/uri parameters",
		"pooled adds -pooler":                                         "neonemu.TestPooledAddsPoolerToTheFirstLabel",
		"a branch has no compute unless asked for":                    "neonemu.TestABranchHasNoComputeUnlessAskedFor",
		"a deleted branch is recoverable unless deleted hard":         "neonemu.TestADeletedBranchIsRecoverableUnlessHardDeleted",
		"root, default and parent branches stay":                      "neonemu.TestRootDefaultAndParentBranchesStay",
		"a deleted project is recoverable for 7 days":                 "neonemu.TestADeletedProjectIsRecoverableFor7Days",
		"a deleted project can show up":                               "neonemu.TestDeletedProjectsCanShowUp",
		"reset_password gives a new one, usable after its operations": "neonemu.TestResetPasswordGivesANewOneUsableAfterItsOperations",
		"a new password drops connections":                            "neonemu/pgserver.TestANewPasswordDropsConnections",
		"reveal_password is 412 when storing is off":                  "neonemu.TestRevealPasswordIs412WhenStoringIsOff",
		"700 requests a minute, 40 a second and route":                "neonemu.TestRateLimits",
		"lists have a cursor, also at their end":                      "neonemu.TestCursorComesWithTheLastPageToo",
		"a page has at most 400":                                      "neonemu.TestErrorShapes/limit",
		"too many projects are 422 PROJECTS_LIMIT_EXCEEDED":           "neonemu.TestTooManyProjects",
		"a created project is invisible for n reads":                  "neonemu.TestACreatedProjectIsInvisibleForNReads",
	},
	"Upstash": {
		"the API is for native accounts only":                     "upstashemu.TestNativeAccountsOnly",
		"a create needs name, platform and region":                "upstashemu.TestRequiredFieldsOfACreate",
		"a create may ask for plan, read regions, TLS, eviction":  "upstashemu.TestWhatACreateOfADatabaseMayAskFor",
		"names are not known to be unique":                        "upstashemu.TestNamesAreNotUnique",
		"or they are":                                             "upstashemu.TestUniqueNamesAnswers409",
		"endpoint is a slug or a host":                            "upstashemu.TestEndpointIsASlugOrAHostOrAURL",
		"credentials=hide":                                        "upstashemu.TestCredentialsHide",
		"lists have no pagination":                                "upstashemu.TestListsHaveNoPagination",
		"an error is a JSON string":                               "upstashemu.TestErrorShapes/redis absent",
		"an error is {error}":                                     "upstashemu.TestErrorShapes/vector absent",
		"an error is {message}":                                   "upstashemu.TestErrorShapes/team absent",
		"an index is dense, sparse or hybrid, or of a model":      "upstashemu.TestAnIndexIsDenseSparseOrHybrid",
		"replies carry tokens and password that no document has":  "upstashemu.TestRepliesCarryWhatTheDocumentLacks",
		"DELETE and vector reset-password return the string OK":   "upstashemu.TestResetPasswordAnswersDifferently",
		"the CLI sends no platform":                               "upstashemu.TestTheVendorsCLISendsNoPlatform",
		"Vector REST answers its SDK's calls":                     "upstashemu.TestVectorREST",
		"Redis REST takes one command, a pipeline, a transaction": "upstashemu.TestRedisREST",
	},
}

// Nothing here behaves so: the emulators answer 501, or the provider is never asked.
//
//   - Marketplace stores: integration configurations, products, stores
//   - sandbox_snapshotting
//   - databases without an account, of Upstash and of Neon

func TestEveryQuirkHasItsTest(t *testing.T) {
	tests := map[string]map[string]*ast.FuncDecl{}
	for api, list := range quirks {
		for behaviour, at := range list {
			pkg, name, _ := strings.Cut(at, ".")
			name, row, hasRow := strings.Cut(name, "/")
			if tests[pkg] == nil {
				tests[pkg] = testsOf(t, pkg)
			}
			f := tests[pkg][name]
			if f == nil || hasRow && !mentions(f, row) {
				t.Errorf("%s, %s: there is no %s", api, behaviour, at)
			}
		}
	}
}

// testsOf returns the test functions of a package's folder by name.
func testsOf(t *testing.T, folder string) map[string]*ast.FuncDecl {
	t.Helper()
	files, err := filepath.Glob(folder + "/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*ast.FuncDecl{}
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
				out[f.Name.Name] = f
			}
		}
	}
	return out
}

// mentions reports whether a table in f has a row of that name.
func mentions(f *ast.FuncDecl, row string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.BasicLit); ok {
				name, err := strconv.Unquote(key.Value)
				found = found || err == nil && name == row
			}
		}
		return !found
	})
	return found
}
