/* The tables of plan files: keys, ranges, defaults and what they mean, for reading and writing. */
#ifndef PLANS_PLAN_SCHEMA_H
#define PLANS_PLAN_SCHEMA_H

#include "formats/schema.h"

extern const Schema plan_schema;                 /* of a Plan */
extern const Schema intensity_properties_schema; /* of an IntensityProperties */

extern const SchemaVariant plan_network_section; /* of a PlanNetwork */

#endif
