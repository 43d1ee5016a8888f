#include "recipe/plan_optimizer.h"

int plan_optimizer_new(Optimizer **o, Parameters *parameters, const PlanTraining *plan, Err *e)
{
    if (plan->optimizer == OPTIMIZER_SGD) {
        const SGD sgd = {plan->momentum, plan->weight_decay, plan->gradient_clip};
        return optimizer_new_sgd(o, parameters, &sgd, e);
    }
    const AdamW adamw = {0.9, 0.999, plan->epsilon, plan->weight_decay, plan->gradient_clip};
    return plan->optimizer == OPTIMIZER_ADAM ? optimizer_new_adam(o, parameters, &adamw, e)
                                             : optimizer_new_adamw(o, parameters, &adamw, e);
}
