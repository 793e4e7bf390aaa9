// Standard input: state machines. Standard output: what asl-validator has against them, as a list of texts that begin
// with the number of the machine.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.FLOW_TEST_NODE_MODULES}/`);

// The validator compiles the same schemas anew for each machine, which takes nearly all of its time.
const ajv = createRequire(require.resolve("asl-validator"))("ajv");
const Ajv = ajv.default;
let compiled;
ajv.default = function (options) {
  if (compiled) compiled.addKeyword = () => compiled; // it has them all
  return (compiled ??= new Ajv(options));
};

const validate = require("asl-validator");
const found = JSON.parse(readFileSync(0, "utf8")).flatMap((machine, number) => {
  const { isValid, errors } = validate(machine);
  return isValid ? [] : errors.map((error) => `${number}: ${JSON.stringify(error)}`);
});
process.stdout.write(JSON.stringify(found));
