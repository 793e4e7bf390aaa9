// Standard input: a state machine. Standard output: what asl-validator has against it, as a list of texts.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.FLOW_TEST_NODE_MODULES}/`);
const validate = require("asl-validator");

const { isValid, errors } = validate(JSON.parse(readFileSync(0, "utf8")));
const found = isValid ? [] : errors.map((error) => JSON.stringify(error));
process.stdout.write(JSON.stringify(found));
